"""Messages as JSON, forms and schemas."""
