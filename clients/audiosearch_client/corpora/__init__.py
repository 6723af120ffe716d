"""Corpora as they come: which clips a folder or a manifest holds, and what is known of each."""
