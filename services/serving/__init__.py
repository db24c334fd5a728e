"""Serving: the scoring server, and the router for those who have a platform of their own."""
