"""The embedding service: audio in, unit vectors out."""
