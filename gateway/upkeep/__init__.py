"""What goes on beside the calls: undoing, finishing, comparing."""
