"""The web client: the pages that the gateway serves, as files and no code in Python."""
