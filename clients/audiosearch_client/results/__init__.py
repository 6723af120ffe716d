"""Answers of `Client`: values of Python, short to look at, drawn in a notebook."""
