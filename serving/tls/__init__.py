"""TLS from files, which may be replaced while a process runs."""
