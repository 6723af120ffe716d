"""Metrics and traces: how a running service is watched from outside."""
