"""Plug-ins of evar, one of each kind; `pyproject.toml` declares them."""
