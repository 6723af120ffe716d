"""Rows of libraries for backups: read while they are in use, and written into an empty catalog."""
