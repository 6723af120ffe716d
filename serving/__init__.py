"""The gRPC runtime that all services share: server, errors, settings, telemetry."""
