"""Tells speech from other sound, in decoder processes and in the service."""
