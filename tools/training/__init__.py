"""The recipe that trains the bundled checkpoint; `python -m tools.training --help`."""
