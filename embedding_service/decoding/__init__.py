"""Encoded audio to samples, in processes of its own."""
