"""HTTP itself: the layers that every request passes through."""
