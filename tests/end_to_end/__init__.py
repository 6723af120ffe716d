"""All services, by gRPC and the command line."""
