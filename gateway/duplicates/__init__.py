"""Clips of a library that are the same recording: copies, re-encoded, or cut out of each other."""
