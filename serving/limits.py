"""Limits that services and clients must agree on."""

MAX_RECORDINGS = 100
"""Recordings of one enrollment."""
