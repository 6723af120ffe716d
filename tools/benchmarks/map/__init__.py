"""Measures maps of clips: their time and quality, and one of a filled stack."""
