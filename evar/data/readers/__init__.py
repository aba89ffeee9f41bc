"""Readers: one file for each native dataset layout; see `contract.py`."""
