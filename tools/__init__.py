"""Recipes and experiments; run from a checkout, never installed."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
"""The checkout."""
