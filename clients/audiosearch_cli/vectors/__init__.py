"""Uploads of vectors that were made elsewhere."""
