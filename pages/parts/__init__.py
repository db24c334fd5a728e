"""What several pages draw, or what would make one page too long to read."""
