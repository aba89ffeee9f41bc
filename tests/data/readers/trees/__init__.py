"""A tree for each reader, of its name; `evar/testing/trees.py` explains their names."""
