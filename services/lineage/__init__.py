"""Lineage and story: where a version came from, what was logged of it, and how training code logs it."""
