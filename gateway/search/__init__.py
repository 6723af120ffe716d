"""Searches, and what is remembered of them."""
