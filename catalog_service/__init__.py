"""Wraps the database and the audio store: what is known about each clip."""
