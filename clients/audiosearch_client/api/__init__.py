"""`Client` and `AsyncClient`: values of Python in and out, over the messages of the contracts."""
