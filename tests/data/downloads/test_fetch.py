"""Fetching from a real server: resumed where that is safe, tried a bounded number of times, never a wrong file."""

import contextlib
import hashlib
import socket
import ssl
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from evar.base.errors import DataError, StorageError
from evar.base.progress import displayed
from evar.data.downloads import fetch
from evar.data.downloads.fetch import Fetcher
from tests.data.downloads.server import (
    BODY,
    OTHER,
    SHA256,
    breaks,
    file,
    hang_up,
    left,
    redirects,
    remote,
    serves,
    stalls,
    status,
    without_length,
)


@pytest.fixture
def get(server, fetcher, place):
    """Fetch `/f`, as which the server behaves so in turn; gives the bytes."""

    def get(*behaviours, **facts):
        fetcher.fetch(remote(server.play("/f", *behaviours), **facts), place)
        return place.read_bytes()

    return get


def test_whole_file_is_fetched_in_one_request_and_nothing_else_is_left(get, server, place, pauses, notes):
    assert get(serves) == BODY
    assert left(place) == ["sounds.bin"]
    assert server.requests == [("/f", None, None)]
    assert pauses == notes == []


def test_broken_transfer_goes_on_where_it_ended_if_the_file_is_still_the_same(get, server, notes):
    assert get(breaks(100_000), stalls(50_000), serves) == BODY
    assert server.requests == [
        ("/f", None, None),
        ("/f", "bytes=100000-", '"one"'),
        ("/f", "bytes=150000-", '"one"'),
    ]
    assert notes == [
        "sounds.bin: the connection broke; try 2 of 4 in 1 s",
        "sounds.bin: the connection broke (timed out); try 2 of 4 in 1 s",
    ]


KILLED = """
import sys
from pathlib import Path
from evar.data.downloads import fetch
from evar.data.downloads.fetch import Fetcher
from evar.data.downloads.sources import RemoteFile

file = RemoteFile(name="sounds.bin", address=sys.argv[1], provenance="a test")
Fetcher().fetch(file, Path(sys.argv[2]))
"""


def test_killed_process_leaves_a_half_that_the_next_one_goes_on_with(server, fetcher, place):
    address, half = server.play("/f", stalls(270_000), serves), place.with_name("sounds.bin.part")
    with subprocess.Popen([sys.executable, "-c", KILLED, address, str(place)]) as process:
        try:
            while not half.exists() or half.stat().st_size < 1 << 17:
                assert process.poll() is None
                time.sleep(0.01)
        finally:
            process.kill()
    assert not place.exists()
    size = half.stat().st_size
    fetcher.fetch(remote(address), place)
    assert place.read_bytes() == BODY
    assert server.requests[1] == ("/f", f"bytes={size}-", '"one"')


@pytest.mark.parametrize("half", [BODY, BODY + b"more"])
def test_half_that_is_whole_already_is_taken_and_one_that_is_longer_begun_again(get, server, place, half):
    place.parent.mkdir()
    place.with_name("sounds.bin.part").write_bytes(half)
    place.with_name("sounds.bin.part.version").write_text('"one"')
    assert get(serves, checksum=None) == BODY
    assert server.requests[0] == ("/f", f"bytes={len(half)}-", '"one"')
    assert len(server.requests) == (1 if half == BODY else 2)


DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
CHECKSUM = f"sha256:{SHA256}"


@pytest.mark.parametrize(
    ("server_has", "checksum", "asked"),
    [
        ({"ranges": False}, CHECKSUM, ("bytes=100000-", '"one"')),
        ({"etag": ""}, CHECKSUM, ("bytes=100000-", None)),
        ({"etag": 'W/"one"'}, CHECKSUM, ("bytes=100000-", None)),
        ({"etag": ""}, None, (None, None)),  # nothing would show that the pieces do not fit together
        ({"etag": 'W/"one"'}, None, (None, None)),
        ({"etag": "", "Last_Modified": DATE}, None, ("bytes=100000-", DATE)),
    ],
)
def test_rest_is_asked_for_as_far_as_the_server_can_say_which_file_it_has(get, server, server_has, checksum, asked):
    assert get(breaks(100_000, **server_has), file(**server_has), checksum=checksum) == BODY
    assert server.requests[1] == ("/f", *asked)


@pytest.mark.parametrize("checksum", [None, f"sha256:{hashlib.sha256(OTHER).hexdigest()}"])
def test_file_that_changed_on_the_server_is_fetched_anew(get, server, checksum):
    assert get(breaks(100_000), file(OTHER, etag='"two"'), checksum=checksum) == OTHER
    assert server.requests[1] == ("/f", "bytes=100000-", '"one"')


@pytest.mark.parametrize("rest", [(OTHER, 100_000), (BODY, 100_001)])
def test_server_that_sends_the_rest_of_another_file_is_not_trusted(get, server, notes, rest):
    assert get(breaks(100_000), rest_of(*rest), serves, checksum=None) == BODY
    assert server.requests[2] == ("/f", None, None)
    assert "the file has changed on the server, or another part came than was asked for" in notes[1]


def rest_of(body, start):
    def serve(handler):
        etag = '"two"' if body == OTHER else '"one"'
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.begin(206, ETag=etag, Content_Range=span, Content_Length=len(body) - start)
        handler.wfile.write(body[start:])

    return serve


def test_tries_are_bounded_and_pauses_double(server, fetcher, place, pauses):
    address = server.play("/f", status(503))
    with pytest.raises(DataError, match="HTTP 503 Service Unavailable, 4 times in a row; by hand: get http"):
        fetcher.fetch(remote(address), place)
    assert len(server.requests) == 4
    assert pauses == [1, 2, 4]


def test_server_that_never_gets_further_than_before_is_given_up(get, server):
    with pytest.raises(DataError, match="4 times in a row"):
        get(breaks(100_000, ranges=False))
    assert len(server.requests) == 4


def test_a_try_that_gets_forward_does_not_count(get, server, pauses):
    assert get(breaks(30_000)) == BODY
    assert len(server.requests) == 10
    assert set(pauses) == {1}


def test_error_names_host_reason_address_checksum_and_place(server, fetcher, place):
    address = server.play("/f", status(404))
    with pytest.raises(DataError) as caught:
        fetcher.fetch(remote(address), place)
    assert str(caught.value) == (
        f"sounds.bin could not be fetched: 127.0.0.1:{server.server_port}: HTTP 404 Not Found; by hand: get {address} "
        f"(sha256 {SHA256}), put it at {place} and run the same command again"
    )
    assert left(place) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "certificate verify failed"),
    ],
)
def test_without_a_connection_nobody_waits(fetcher, place, monkeypatch, pauses, fault, said):
    def refuse(*_, **__):
        raise fault

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(DataError, match=rf"data\.invalid: no connection \({said}\); by hand: get "):
        fetcher.fetch(remote("https://data.invalid/f"), place)
    assert pauses == []


def test_network_that_goes_away_in_between_is_waited_for(server, fetcher, place, monkeypatch, pauses):
    address = server.play("/f", breaks(100_000), serves)
    real, calls = socket.getaddrinfo, []

    def flaky(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", flaky)
    fetcher.fetch(remote(address), place)
    assert place.read_bytes() == BODY
    assert pauses == [1, 2]


def test_redirects_are_followed_and_keep_the_range(server, fetcher, place):
    server.play("/f", breaks(100_000), serves)
    fetcher.fetch(remote(server.play("/old", redirects("/f"))), place)
    assert place.read_bytes() == BODY
    assert server.requests[-1] == ("/f", "bytes=100000-", '"one"')


@pytest.mark.parametrize(("to", "why"), [("/f", "infinite loop"), ("file:///etc/passwd", "not allowed")])
def test_redirect_in_a_circle_or_out_of_the_web_is_given_up(get, place, to, why):
    with pytest.raises(DataError, match=why):
        get(redirects(to))
    assert left(place) == []


def test_secure_connection_is_never_left(server, fetcher, place, monkeypatch):
    real, plain = fetch.urllib.request.urlopen, server.play("/f", serves)
    monkeypatch.setattr(fetch.urllib.request, "urlopen", lambda request, timeout: real(plain, timeout=timeout))
    with pytest.raises(DataError, match=f"it redirects to {plain}, which is not secure"):
        fetcher.fetch(remote("https://data.invalid/f"), place)
    assert left(place) == []


@pytest.mark.parametrize(("answer", "said"), [
    (file(then=hang_up, ranges=False, Content_Length=200_000), "its checksum is"),
    (file(then=hang_up, ranges=False, Content_Length=400_000), "the connection broke, 4 times in a row"),
    (without_length, "does not state the file's size"),
])  # fmt: skip
def test_length_that_lies_or_is_not_stated_never_passes_for_the_file(get, place, answer, said):
    with pytest.raises(DataError, match=said):
        get(answer)
    assert not place.exists()


def test_wrong_bytes_are_never_used_nor_kept(get, place):
    with pytest.raises(DataError, match=f"its checksum is .*, the sha256 published is {SHA256}"):
        get(file(OTHER))
    assert left(place) == []


def test_pieces_that_do_not_fit_together_are_thrown_away(server, fetcher, place):
    address = server.play("/f", breaks(100_000, body=OTHER, etag=""), file(etag=""))
    with pytest.raises(DataError, match="its checksum is"):
        fetcher.fetch(remote(address), place)
    fetcher.fetch(remote(address), place)
    assert place.read_bytes() == BODY


def test_md5_is_checked_where_that_is_what_is_published(get, server, fetcher, place):
    md5 = hashlib.md5(BODY).hexdigest()
    get(serves, checksum=f"md5:{md5}")
    with pytest.raises(DataError, match="md5 published is 0000"):
        fetcher.fetch(remote(server.play("/f", serves), checksum=f"md5:{'0' * 32}"), place.with_name("again"))


def test_file_that_is_there_is_checked_and_not_fetched(get, server, fetcher, place):
    place.parent.mkdir()
    place.write_bytes(BODY)
    get(serves)
    place.write_bytes(OTHER)
    with pytest.raises(DataError, match="is not the file that is meant.*move it away"):
        fetcher.fetch(remote(server.address("/f")), place)
    assert server.requests == []
    assert place.read_bytes() == OTHER


def test_sha256_of_a_file_without_a_checksum_is_recorded_and_checked_afterwards(server, fetcher, place, notes):
    wanted = remote(server.play("/f", serves, file(OTHER)), checksum=None)
    fetcher.fetch(wanted, place)
    record = place.with_name("sounds.bin.sha256")
    assert record.read_text() == f"{SHA256}  sounds.bin\n"
    assert notes == [
        f"sounds.bin: no checksum is published; its sha256 {SHA256} is recorded in {record} and checked from now on"
    ]
    fetcher.fetch(wanted, place)
    place.unlink()
    with pytest.raises(DataError, match=r"sha256 recorded in .*sounds.bin.sha256 \(delete that where .*\) is "):
        fetcher.fetch(wanted, place)
    record.write_text("")
    with pytest.raises(DataError, match="sha256 recorded in "):
        fetcher.fetch(wanted, place)
    assert len(notes) == 1


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("unpack", "free"), [(None, 299_999), (".", 749_999)])
def test_room_on_the_disk_is_looked_for_before_a_byte_is_fetched(server, fetcher, place, monkeypatch, unpack, free):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free))
    wanted = remote(server.play("/f", serves), unpack=unpack)
    with pytest.raises(StorageError, match=r"fetching.* sounds.bin needs \d+\.\d kB in .*, \d+\.\d kB are free"):
        fetcher.fetch(wanted, place)
    assert not place.with_name("sounds.bin.part").exists()
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free + 1))
    fetcher.fetch(wanted, place)


def test_disk_that_fills_up_meanwhile_is_one_line_and_the_half_is_kept(server, fetcher, small_disk, monkeypatch):
    folder, enlarge = small_disk
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, 1 << 30))
    address, place = server.play("/f", serves), folder / "sounds.bin"
    with pytest.raises(StorageError, match="no space left for .*sounds.bin"):
        fetcher.fetch(remote(address), place)
    size = place.with_name("sounds.bin.part").stat().st_size
    assert size > 0
    enlarge()
    fetcher.fetch(remote(address), place)
    assert place.read_bytes() == BODY
    assert server.requests[-1][1] == f"bytes={size}-"


def test_progress_counts_the_bytes_of_the_whole_file(server, place, notes, pauses):
    bars = []

    @contextlib.contextmanager
    def progress(stage, *, total, unit, initial=0):
        bars.append([stage, total, unit, initial])
        yield lambda amount: bars[-1].__setitem__(3, bars[-1][3] + amount)

    with displayed(progress):
        Fetcher(sleep=pauses.append).fetch(remote(server.play("/f", breaks(100_000), serves)), place)
    assert bars == [
        ["fetch sounds.bin", 300_000, "byte", 100_000],
        ["fetch sounds.bin", 300_000, "byte", 300_000],
        ["verify sounds.bin.part", 300_000, "byte", 300_000],
    ]
