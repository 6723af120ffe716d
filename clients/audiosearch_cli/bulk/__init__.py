"""Bulk imports: plan, embed, load."""
