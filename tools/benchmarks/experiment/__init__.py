"""The earlier demo's experiment, repeated: search, embedding, end to end, ingest, growth."""
