"""Evaluation of a library: trials, figures and their intervals."""
