"""Bulk imports from a real object store."""
