"""The life of a clip, from its upload to its deletion."""
