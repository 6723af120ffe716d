"""The models that the embedding service runs."""
