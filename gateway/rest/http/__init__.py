"""HTTP itself: what every request passes."""
