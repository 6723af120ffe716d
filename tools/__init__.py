"""Recipes and experiments; run from a checkout, never installed."""
