"""Services by their contracts."""
