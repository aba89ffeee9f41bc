"""Half a file: the bytes that have come (`NAME.part`), and beside them where they came from (`NAME.part.json`).

The origin is written before the first byte, so that whatever ends a run, bytes without an origin are never continued.
"""

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from evar.base.files import write_atomic


@dataclass(frozen=True)
class Origin:
    """What a server said about a file when its first byte came.

    validator: its ETag or Last-Modified, "" where it sent neither; total: bytes of the whole, None where it did not
    say; pieces: how many answers the bytes were put together from.
    """

    address: str
    validator: str
    total: int | None
    pieces: int = 1


@dataclass(frozen=True)
class Part:
    """The unfinished file that will be `place`."""

    place: Path

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.place.with_name(self.place.name + ".part")

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def origin(self) -> Origin | None:
        """Where they came from; None where that is not known."""
        try:
            return Origin(**json.loads(self._note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def whole(self) -> bool:
        """Every byte that the server promised is there."""
        return self.origin is not None and self.size == self.origin.total

    def begin(self, origin: Origin) -> None:
        """Forget what there is; the file now comes from `origin`."""
        self.discard()
        write_atomic(self._note, json.dumps(asdict(origin)))

    def go_on(self) -> None:
        """Another answer continues the file."""
        if (origin := self.origin) is not None:
            write_atomic(self._note, json.dumps(asdict(replace(origin, pieces=origin.pieces + 1))))

    def discard(self) -> None:
        """Forget what there is."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, place: Path) -> None:
        """Move the bytes to `place`."""
        self.path.replace(place)
        with contextlib.suppress(OSError):
            self._note.unlink()

    @property
    def _note(self) -> Path:
        return self.place.with_name(self.place.name + ".part.json")
