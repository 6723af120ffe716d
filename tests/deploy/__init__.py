"""All services behind the real Envoy."""
