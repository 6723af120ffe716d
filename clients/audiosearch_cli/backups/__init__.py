"""Backups of all libraries: a folder with rows, vectors and audio."""
