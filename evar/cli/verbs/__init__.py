"""Verbs: one file each, with `run(arguments) -> exit code`; their options stand in `evar/cli/arguments.py`."""
