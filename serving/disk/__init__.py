"""Disks: the room on them, and folders that are opened with care."""
