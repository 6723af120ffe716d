"""The boundary around each call of a gRPC server: shares, budgets, messages, probes."""
