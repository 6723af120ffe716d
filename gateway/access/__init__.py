"""API keys, what they may do, and the guard in front of every call."""
