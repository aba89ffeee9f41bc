"""One file from the web to its place: resumed where it broke off, tried a bounded number of times, verified.

    Fetcher().fetch(file, place)

What has come lies beside the place as NAME.part; NAME.part.version says of which version of the server's file it is,
and is written first. So whatever ends a run, the next one goes on (HTTP's Range), unless the server has another file by
then (If-Range). A file is verified by its published checksum, else by its sha256 at first use, kept in NAME.sha256.
Only a verified file ever stands at its place.
"""

import hashlib
import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evar import __version__
from evar.base.errors import DataError
from evar.base.files import require_space, storage_errors, write_atomic
from evar.base.progress import progress
from evar.data.downloads.sources import RemoteFile
from evar.data.downloads.unpack import UNPACKED

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20


class Broken(Exception):
    """The transfer ended early; what has come is kept and another try may go on."""


class Refused(Exception):
    """The address does not have the file, and another try would not change that."""


class WrongBytes(Exception):
    """The file is another one; the text says what it has and what was meant."""


class PartialFile:
    """The bytes of a file that have come so far, and of which version of the file they are."""

    def __init__(self, place: Path) -> None:
        self.path = place.with_name(f"{place.name}.part")
        self.note = place.with_name(f"{place.name}.part.version")

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        """The server's word for its file, see `_version`; "" where that is not known."""
        return self.note.read_text(encoding="latin-1") if self.note.exists() else ""

    def discard(self) -> None:
        """Forget what there is."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass(frozen=True)
class Fetcher:
    """How files are fetched.

    stall: seconds without a byte after which a connection counts as broken. tries: in a row without getting forward.
    sleep: how the pauses between them are spent, of 1 s, 2 s, 4 s and so on.
    """

    stall: float = 30.0
    tries: int = 6
    sleep: Callable[[float], None] = time.sleep

    def fetch(self, file: RemoteFile, place: Path) -> None:
        """Have `file` at `place`, verified; one that is there is verified and left.

        Raises DataError where it cannot be had, or where what is there is another file, with what to do by hand;
        StorageError where the disk refuses or has no room.
        """
        with storage_errors(place):
            if place.exists():
                try:
                    require_right(place, file, place)
                except WrongBytes as error:
                    what = f"{place} is not the file that is meant: {error}; move it away to have it fetched"
                    raise DataError(what) from error
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                self._fetch(file, place)

    def _fetch(self, file: RemoteFile, place: Path) -> None:
        part = PartialFile(place)
        try:
            self._complete(part, file)
            require_right(part.path, file, place)
        except (Refused, WrongBytes) as error:
            if isinstance(error, WrongBytes):
                part.discard()
            checksum = file.checksum.replace(":", " ") if file.checksum else "no checksum is published"
            raise DataError(
                f"{file.name} could not be fetched: {urlsplit(file.address).netloc}: {error}; by hand: get "
                f"{file.address} ({checksum}), put it at {place} and run the same command again"
            ) from error
        part.path.replace(place)
        part.discard()

    def _complete(self, part: PartialFile, file: RemoteFile) -> None:
        """Bring `part` to its end. A try that gets forward does not count: a long file comes through a bad line."""
        tries, farthest = 0, part.size
        while True:
            try:
                return _continue(part, file, self.stall)
            except Broken as error:
                if part.size > farthest:
                    tries, farthest = 0, part.size
                tries += 1
                if tries >= self.tries:
                    raise Refused(f"{error}, {tries} times in a row") from error
                pause = 2.0 ** (tries - 1)
                log.warning(f"{file.name}: {error}; try {tries + 1} of {self.tries} in {pause:g} s")
                self.sleep(pause)


def _continue(part: PartialFile, file: RemoteFile, stall: float) -> None:
    """One request: go on with `part`, or begin it. Raises Broken, Refused, StorageError where the disk has no room."""
    headers = {"User-Agent": f"evar/{__version__}", "Accept-Encoding": "identity"}
    if part.size and (part.version or file.checksum):  # a checksum shows whether the pieces fit together
        headers["Range"] = f"bytes={part.size}-"
        if part.version:
            headers["If-Range"] = part.version
    response = _opened(urllib.request.Request(file.address, headers=headers), part, stall)
    if response is None:
        return
    with response:
        total = _begun(part, file, response)
        left = total - part.size
        purpose = f"fetching{' and unpacking' if file.unpack else ''} {file.name}"
        require_space(part.path.parent, left + (int(total * UNPACKED) if file.unpack else 0), purpose)
        bar = progress(f"fetch {file.name}", total=total, unit="byte", initial=part.size)
        with part.path.open("ab") as target, bar as advance:
            while left:
                block = _read(response, min(left, BLOCK_BYTES))
                target.write(block)
                left -= len(block)
                advance(len(block))


def _opened(request: urllib.request.Request, part: PartialFile, stall: float) -> http.client.HTTPResponse | None:
    """The server's answer; None where it says that nothing is left to come."""
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=stall)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing lies beyond what has come
            if error.headers.get("Content-Range") == f"bytes */{part.size}":
                return None
            part.discard()
        passing = error.code in (408, 416, 429) or error.code >= 500
        raise (Broken if passing else Refused)(f"HTTP {error.code} {_words(error.reason)}") from error
    except urllib.error.URLError as error:
        without_network = not part.size  # nothing has ever come: waiting is of no use
        raise (Refused if without_network else Broken)(f"no connection ({_words(error.reason)})") from error
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"the connection broke ({_words(error)})") from error
    return response


def _begun(part: PartialFile, file: RemoteFile, response: http.client.HTTPResponse) -> int:
    """Bytes of the whole file that the server offers; `part` is ready for those that come now."""
    if urlsplit(response.url).scheme not in ("https", urlsplit(file.address).scheme):
        raise Refused(f"it redirects to {response.url}, which is not secure")
    version, total = _version(response), response.length
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if span and int(span[1]) == part.size < int(span[2]) and version in ("", part.version):
            return int(span[2])
        part.discard()
        raise Broken("the file has changed on the server, or another part came than was asked for")
    if total is None:
        raise Refused("it does not state the file's size, so that a break would go unnoticed")
    part.discard()
    write_atomic(part.note, version.encode("latin-1"))
    return total


def _version(response: http.client.HTTPResponse) -> str:
    """What If-Range compares: a strong ETag or else the time of change; "" where the server sends neither."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """What comes next, at least one byte."""
    try:
        block = response.read1(most)
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"the connection broke ({_words(error)})") from error
    if not block:
        raise Broken("the connection broke")
    return block


def _words(reason: object) -> str:
    return " ".join((getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).split())


def require_right(path: Path, file: RemoteFile, place: Path) -> None:
    """Verify the bytes at `path`, which are or will be `place`; record their sha256 where nothing is known of them.

    Raises WrongBytes.
    """
    record = place.with_name(f"{place.name}.sha256")  # one line, as sha256sum writes and checks it
    if file.checksum:
        kind, _, meant = file.checksum.partition(":")
    else:
        kind, meant = "sha256", record.read_text(encoding="latin-1").split(" ")[0] if record.exists() else ""
    found = _digest(path, kind)
    if found == meant:
        return
    if file.checksum or record.exists():
        which = "published" if file.checksum else f"recorded in {record} (delete that where the new file is right)"
        raise WrongBytes(f"its checksum is {found}, the {kind} {which} is {meant}")
    write_atomic(record, f"{found}  {place.name}\n")
    log.info(
        f"{file.name}: no checksum is published; its sha256 {found} is recorded in {record} and checked from now on"
    )


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file, progress(f"verify {path.name}", total=path.stat().st_size, unit="byte") as advance:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()
