"""Vectors of clips, kept to fill a lost index again."""
