"""Benchmarks, each with comparable programs measured in the same run."""
