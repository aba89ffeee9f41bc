"""The command line: `evar VERB ...`, `run_eval.py ...`; arguments, progress, exit codes.

Exit codes: 0 done, 1 a fault of the program, 2 a mistake that the user can fix, 130 interrupted. Results go to stdout,
everything else to stderr.
"""

import io
import os
import sys
from collections.abc import Sequence

from evar.base.errors import EvarError
from evar.base.progress import Stderr, say, show_progress
from evar.cli import errors
from evar.cli.arguments import load_verb, parse
from evar.cli.errors import DONE, INTERRUPTED, OUR_FAULT
from evar.cli.terminal import open_missing_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` by default) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no fault
    try:
        chosen = parse(sys.argv[1:] if arguments is None else arguments)
        if chosen is None:
            return DONE
        errors.with_traceback = chosen.debug
        with show_progress():
            done: int = load_verb(chosen.verb).run(chosen)
    except EvarError as error:
        return errors.show(error)
    except KeyboardInterrupt as stopped:
        say(str(stopped) or "interrupted; what was finished is kept, the same command goes on from there")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: nobody reads on
        return OUR_FAULT
    return done


def console() -> None:
    """The console script's entry."""
    open_missing_streams()
    code = main()
    Stderr().flush()  # else a full or closed one would change the exit code at the very end
    sys.exit(code)
