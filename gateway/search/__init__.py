"""Searches, and a record of the last ones."""
