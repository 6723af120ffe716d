"""Arithmetic on scores: numpy alone, and no service."""
