"""Wraps Milvus: vectors in, nearest vectors out."""
