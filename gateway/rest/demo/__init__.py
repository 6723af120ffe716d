"""The routes of the earlier demo."""
