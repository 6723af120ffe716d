"""The gateway: orchestrates search, ingest and speakers over the other services."""
