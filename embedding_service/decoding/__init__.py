"""Decodes audio to samples, in separate processes."""
