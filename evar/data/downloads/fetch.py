"""One file, from nothing or from its half to its place: its addresses in turn, each tried a bounded number of times.

A try that brings the file forward does not count against the bound, so that a long file gets through a bad line. Only a
file whose bytes were checked ever stands at its place; a wrong one is set aside as NAME.wrong and never used.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evar.base.errors import DataError
from evar.base.files import storage_errors
from evar.base.progress import Progress
from evar.data.downloads.checksums import WrongBytes, require_right
from evar.data.downloads.part import Part
from evar.data.downloads.sources import RemoteFile
from evar.data.downloads.transfer import Broken, Refused, transfer

FORWARD_BYTES = 1 << 20  # how far a try must come not to count
LONGEST_PAUSE_SECONDS = 60.0  # whatever a server asks for


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    stall: seconds without a byte after which a connection counts as broken. tries: in a row without getting forward.
    pause: seconds before the second try, doubled before each further one. sleep: how a pause is spent.
    """

    stall: float = 30.0
    tries: int = 6
    pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def seconds(self, tries: int, asked: float) -> float:
        """The pause after so many tries, and no less than the server asked for, within reason."""
        return min(LONGEST_PAUSE_SECONDS, max(asked, self.pause * 2.0 ** (tries - 1)))


@dataclass(frozen=True)
class Fetcher:
    """How files are fetched: patience, and where bars and lines go."""

    progress: Progress
    note: Callable[[str], None]
    patience: Patience = Patience()

    def bring(self, file: RemoteFile, place: Path) -> None:
        """Have `file` at `place`, checked; one that is there is checked and left.

        Raises DataError where no address has it, or where what is there is another file, with what to do by hand;
        StorageError where the disk refuses.
        """
        with storage_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                return self._keep(file, place)
            part, reasons = Part(place), []
            for address in file.addresses:
                try:
                    self._from(address, file, part)
                    return part.finish(place)
                except (Refused, WrongBytes) as error:
                    reasons.append(f"{urlsplit(address).netloc}: {error}")
        raise DataError(
            f"{file.name} could not be fetched: {'; '.join(reasons)}; by hand: get {file.addresses[0]} "
            f"({file.identity}), put it at {place} and run the same command again"
        )

    def _keep(self, file: RemoteFile, place: Path) -> None:
        try:
            require_right(place, file, place, progress=self.progress, note=self.note)
        except WrongBytes as error:
            rest = "" if file.unpack else ", or leave out --download to use what is there"
            raise DataError(
                f"{place} is not the file that is meant: {error}; move it away to have it fetched{rest}"
            ) from error

    def _from(self, address: str, file: RemoteFile, part: Part) -> None:
        """Every byte of the file in `part`, checked. A wrong one that came in pieces is begun anew, once."""
        for again in (False, True):
            self._try(address, file, part)
            origin = part.origin
            try:
                return require_right(part.path, file, part.place, progress=self.progress, note=self.note)
            except WrongBytes as error:
                if again or origin is None or origin.pieces == 1:
                    wrong = part.place.with_name(part.place.name + ".wrong")
                    part.finish(wrong)
                    raise WrongBytes(f"{error} (set aside as {wrong})") from error
                self.note(f"{file.name}: the pieces do not fit together ({error}); fetched anew from its first byte")
                part.discard()
        return None

    def _try(self, address: str, file: RemoteFile, part: Part) -> None:
        tries, farthest, came = 0, part.size, False
        while True:
            try:
                return transfer(address, file, part, timeout=self.patience.stall, progress=self.progress)
            except Broken as error:
                came = came or part.size > farthest or not error.unreachable
                if part.size >= farthest + FORWARD_BYTES:
                    tries, farthest = 0, part.size
                tries += 1
                if tries >= self.patience.tries or not came:  # where nothing ever answered, waiting is of no use
                    raise Refused(f"{error}{f', {tries} times in a row' if tries > 1 else ''}") from error
                pause = self.patience.seconds(tries, error.after)
                self.note(f"{file.name}: {error}; try {tries + 1} of {self.patience.tries} in {pause:g} s")
                self.patience.sleep(pause)
