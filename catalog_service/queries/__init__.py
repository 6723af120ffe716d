"""Sounds that are searched with, kept for a time so that links to searches work."""
