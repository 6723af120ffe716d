"""Programs that are called: channels, health, stubs, and the ends of calls to what hangs."""
