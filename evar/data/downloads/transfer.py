"""One request: continue a half file, or begin it, from one address, with the standard library's HTTP client.

A half file goes on where it ended (Range), and only if the server still has the same file (If-Range with its ETag or
date); where it sent neither, only a file with a published checksum is continued. A server that ignores Range starts it
again from the beginning. Redirects are followed at most five times, never from https to http.
"""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from typing import IO
from urllib.parse import urlsplit

from evar import __version__
from evar.base.files import storage_errors
from evar.base.progress import Advance, Progress
from evar.data.downloads.part import Origin, Part
from evar.data.downloads.sources import RemoteFile
from evar.data.downloads.space import UNPACKED, require_space

BLOCK_BYTES = 1 << 18
MOST_BYTES = 64_000_000_000  # of a file whose size nobody tells
MOST_REDIRECTS = 5
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP states that may be over in a moment


class Broken(Exception):
    """The transfer ended early; what has come is kept and another try may go on.

    after: seconds that the server asks to wait; unreachable: there was no connection at all.
    """

    def __init__(self, text: str, after: float = 0.0, unreachable: bool = False) -> None:
        super().__init__(text)
        self.after = after
        self.unreachable = unreachable


class Refused(Exception):
    """The address does not have the file, and another try would not change that."""


class _NoRest(Broken):
    """416: the server has nothing beyond what has come; `total` is how much it has, where it says so."""

    def __init__(self, total: int | None) -> None:
        super().__init__("the server does not have the rest")
        self.total = total


def transfer(address: str, file: RemoteFile, part: Part, *, timeout: float, progress: Progress) -> None:
    """Bring `part` to its end. Raises Broken, Refused, and StorageError where the disk has no room.

    timeout: seconds without a byte after which a connection counts as broken.
    """
    if part.whole:
        return
    request = urllib.request.Request(address, headers=_headers(address, file, part))
    try:
        response = _opened(request, timeout)
    except _NoRest as error:
        if error.total == part.size:
            return
        part.discard()
        raise
    with response:
        total = _begun(response, address, file, part)
        expected = file.bytes if total is None else total
        if expected is not None:
            _require_room(file, part, expected)
        bar = progress(f"fetch {file.name}", total=expected or 0, unit="byte", initial=part.size)
        with bar as advance:
            _receive(_blocks(response, timeout), part, MOST_BYTES if expected is None else expected, advance)
    if expected is not None and part.size < expected:
        raise Broken(f"the connection broke after {part.size:,} of {expected:,} bytes")


def _headers(address: str, file: RemoteFile, part: Part) -> dict[str, str]:
    headers = {"User-Agent": f"evar/{__version__}", "Accept-Encoding": "identity"}
    origin = part.origin
    if origin is None or not part.size:
        return headers
    if origin.address == address and origin.validator:
        return {**headers, "Range": f"bytes={part.size}-", "If-Range": origin.validator}
    return {**headers, "Range": f"bytes={part.size}-"} if file.checksum else headers


def _opened(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    opener = urllib.request.build_opener(_Redirects)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _judged(error) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise Refused(f"no trusted connection ({_words(error.reason)})") from error
        raise Broken(f"no connection ({_words(error.reason)})", unreachable=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise Broken(_fault(error, timeout)) from error
    return response


def _judged(error: urllib.error.HTTPError) -> Exception:
    if error.code == 416:
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        return _NoRest(int(total[1]) if total else None)
    if error.code in PASSING:
        asked = error.headers.get("Retry-After", "")
        return Broken(f"HTTP {error.code} {error.reason}", after=float(asked) if asked.isdecimal() else 0.0)
    if "infinite loop" in str(error.reason):  # the library's words for both kinds of too many
        return Refused(f"HTTP {error.code}: redirects in a circle, or more than {MOST_REDIRECTS} times")
    return Refused(f"HTTP {error.code} {_words(error.reason)}")


def _begun(response: http.client.HTTPResponse, address: str, file: RemoteFile, part: Part) -> int | None:
    """Bytes of the whole file, None where the server does not tell; `part` is ready to take what comes."""
    if response.status == 206:
        total = _continued(response, address, part)
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    if file.bytes is not None and total not in (None, file.bytes):
        raise Refused(f"it offers {total:,} bytes, published are {file.bytes:,}")
    if response.status == 206:
        part.go_on()
        return total
    if total is None and not (response.chunked or file.checksum):
        raise Refused("it does not tell the file's size, so that a break would go unnoticed")
    part.begin(Origin(address, _validator(response), total))
    return total


def _continued(response: http.client.HTTPResponse, address: str, part: Part) -> int | None:
    """The whole's size by an answer that continues `part`; else the part is of no use and Broken is raised."""
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    origin = part.origin
    if span and origin and int(span[1]) == part.size:
        total = origin.total if span[2] == "*" else int(span[2])
        changed = origin.address == address and _validator(response) not in ("", origin.validator)
        if total == origin.total and not changed:
            return total
    part.discard()
    raise Broken("the file has changed on the server, or another part came than was asked for")


def _validator(response: http.client.HTTPResponse) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _require_room(file: RemoteFile, part: Part, total: int) -> None:
    unpacked = int(total * UNPACKED) if file.unpack else 0
    purpose = f"fetching{' and unpacking' if unpacked else ''} {file.name}"
    require_space(part.path.parent, total - part.size + unpacked, purpose)


def _receive(blocks: Iterable[bytes], part: Part, most: int, advance: Advance) -> None:
    have = part.size
    with storage_errors(part.place), part.path.open("ab") as file:
        for block in blocks:
            have += len(block)
            if have > most:
                part.discard()
                raise Refused(f"it sends more than {most:,} bytes")
            file.write(block)
            advance(len(block))


def _blocks(response: http.client.HTTPResponse, timeout: float) -> Iterator[bytes]:
    """What comes, as it comes; the connection's errors, but not the disk's, become Broken."""
    while True:
        try:
            block = response.read1(BLOCK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Broken(_fault(error, timeout)) from error
        if not block:
            return
        yield block


def _fault(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"the server stalled: no byte for {timeout:g} s"
    return f"the connection broke ({_words(error)})"


def _words(reason: object) -> str:
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(str(text).split())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Few of them, to the web only, and never out of a secure connection."""

    max_redirections = MOST_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        schemes = (urlsplit(req.full_url).scheme, urlsplit(newurl).scheme)
        if schemes[1] not in ("http", "https") or schemes == ("https", "http"):
            raise urllib.error.HTTPError(req.full_url, code, f"redirects to {newurl}, which is not secure", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
