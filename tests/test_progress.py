"""What is shown of long work, and that hidden work shows nothing."""

import subprocess
import sys

WARNED = """
import logging
from evar.base.progress import hidden, progress, show_progress

log = logging.getLogger("evar.data.store")
with show_progress():
    with hidden():
        log.warning("not this")
        with progress("nor this", total=1, unit="clip") as advance:
            advance(1)
    log.warning("but this")
"""


def test_hidden_work_shows_neither_bars_nor_notes() -> None:
    done = subprocess.run([sys.executable, "-c", WARNED], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "evar: but this\n")


def test_hidden_work_shows_no_warning_where_nothing_was_asked_for() -> None:
    program = WARNED.replace("with show_progress():", "if True:").replace('    log.warning("but this")\n', "")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
