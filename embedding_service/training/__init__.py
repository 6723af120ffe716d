"""The recipe that trains the bundled checkpoint; `python -m embedding_service.training --help`."""
