"""REST over the servicers of the gateway, in its process and with its keys, limits and errors."""
