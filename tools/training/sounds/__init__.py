"""Synthetic sounds, for classes other than speech."""
