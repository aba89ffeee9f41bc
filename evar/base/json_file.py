"""JSON files that hold what is only remembered: where one is damaged or is not there, nothing is known.

Each holds the digest of the rest of it, so a flipped digit is no other fact.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evar.base.files import read_regular, write_atomic
from evar.base.provenance import hash_json

MOST_BYTES = 256 << 20


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Put `content`, without a key "digest", at `path`. Raises StorageError."""
    write_atomic(path, json.dumps({"digest": hash_json(content)} | dict(content), indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` put there; nothing where the file is not there, or not what was written."""
    try:
        content = json.loads(read_regular(path, MOST_BYTES))
        digest = content.pop("digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return content if digest == hash_json(content) else {}
