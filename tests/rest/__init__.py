"""All services, by REST."""
