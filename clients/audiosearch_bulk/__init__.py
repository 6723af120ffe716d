"""Bulk imports: many files become vectors on many processors, and then clips of a library."""
