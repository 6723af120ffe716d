"""Corpora: the clips in a folder or a manifest, and the metadata of each."""
