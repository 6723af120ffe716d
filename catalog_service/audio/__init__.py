"""Audio of clips, and where it is kept."""
