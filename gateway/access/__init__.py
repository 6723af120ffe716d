"""API keys, their rights, and the guard in front of every call."""
