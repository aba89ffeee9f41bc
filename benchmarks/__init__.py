"""Benchmarks: what a stage takes, beside the limit or the baseline measured in the same run. Never a test."""
