"""The README and docs/: what they show works, and what is generated is up to date."""
