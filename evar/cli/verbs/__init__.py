"""The verbs of the command line, one file each: `evar check-encoder` is `check_encoder.py`.

A verb's file has a docstring, whose first line says what the verb does (help shows it); `add_options(parser)`, which
adds its options to an argparse parser; and `run(arguments)`, which calls a function of the package, prints what it
returns, and gives the exit code. What is slow to import is imported by `run`, so that help and typos answer at once.
"""
