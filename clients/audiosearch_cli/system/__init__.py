"""Commands about the running system: its status, and operations of its gateway."""
