"""The embedding service by its contract."""
