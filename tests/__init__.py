"""Tests of the whole and of its parts."""
