"""What --weights means: a file or folder, or a bundled or published checkpoint by its name."""

import difflib
import os
from pathlib import Path

from evar.base.errors import UsageError
from evar.cli.terminal import bar, say
from evar.data.downloads.fetch import Fetcher
from evar.nn import releases


def weights_file(weights: Path | None, cache: Path) -> Path | None:
    """The file or folder that --weights means: what lies there, or the checkpoint of that name, fetched where needed.

    Raises UsageError, with near names, for what looks like the name of a checkpoint and is none.
    """
    if weights is None:
        return None
    name, known = str(weights), releases.releases().names
    if os.path.exists(weights):  # noqa: PTH110  a path may be too long for a Path
        if name in known:
            say(f"--weights {name}: what lies here under that name, not the checkpoint that `evar weights list` shows")
        return weights
    if (meant := releases.meant_by(name)) is not None:
        return releases.checkpoint_of(meant, cache, Fetcher(bar, say))
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.8) if weights.name == name else []
    if near:
        raise UsageError(
            f"no checkpoint at {name} and none of that name: did you mean {' or '.join(near)}? (evar weights "
            f"list shows all)"
        )
    return weights
