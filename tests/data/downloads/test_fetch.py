"""Fetching a file: its addresses in turn, bounded tries, pauses, interruptions, and one clear line at the end."""

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from evar.base.errors import DataError, StorageError
from evar.data.downloads import fetch, transfer
from evar.data.downloads.fetch import Fetcher
from evar.data.downloads.part import Part
from tests.data.downloads.server import (
    BODY,
    SHA256,
    breaks,
    file,
    left,
    remote,
    serves,
    stalls,
    status,
)


def test_whole_file_is_fetched_in_one_request_and_nothing_else_is_left(server, fetcher, place, pauses, notes):
    fetcher.bring(remote(server.play("/f", serves)), place)
    assert place.read_bytes() == BODY
    assert left(place) == ["sounds.bin"]
    assert server.requests == [("/f", None, None)]
    assert pauses == notes == []


def test_tries_are_bounded_and_pauses_double(server, fetcher, place, pauses):
    address = server.play("/f", status(503))
    with pytest.raises(DataError, match="HTTP 503 Service Unavailable, 4 times in a row; by hand: get http"):
        fetcher.bring(remote(address), place)
    assert len(server.requests) == 4
    assert pauses == [1, 2, 4]


def test_server_that_never_gets_further_than_before_is_given_up(server, fetcher, place):
    with pytest.raises(DataError, match="4 times in a row"):
        fetcher.bring(remote(server.play("/f", breaks(100_000, ranges=False))), place)
    assert len(server.requests) == 4


def test_a_try_that_gets_forward_does_not_count(server, fetcher, place, monkeypatch, pauses):
    monkeypatch.setattr(fetch, "FORWARD_BYTES", 20_000)
    fetcher.bring(remote(server.play("/f", breaks(30_000))), place)
    assert place.read_bytes() == BODY
    assert len(server.requests) == 10
    assert set(pauses) == {1}


def test_server_that_asks_to_wait_is_obeyed_within_reason(server, fetcher, place, pauses):
    busy = [status(429, Retry_After="7"), status(503, Retry_After="86400"), status(503, Retry_After="soon")]
    fetcher.bring(remote(server.play("/f", *busy, serves)), place)
    assert pauses == [7, fetch.LONGEST_PAUSE_SECONDS, 4]


def test_next_address_is_asked_where_one_does_not_have_the_file(server, fetcher, place):
    fetcher.bring(remote(server.play("/gone", status(404)), server.play("/f", serves)), place)
    assert place.read_bytes() == BODY
    assert [request[0] for request in server.requests] == ["/gone", "/f"]


def test_half_a_file_with_a_checksum_goes_on_at_another_address(server, fetcher, place):
    half = [breaks(100_000), status(404)]
    fetcher.bring(remote(server.play("/half", *half), server.play("/f", file(etag='"other"'))), place)
    assert place.read_bytes() == BODY
    assert server.requests[-1] == ("/f", "bytes=100000-", None)


def test_error_names_host_reason_address_checksum_and_place(server, fetcher, place):
    address = server.play("/f", status(404))
    with pytest.raises(DataError) as caught:
        fetcher.bring(remote(address), place)
    assert str(caught.value) == (
        f"sounds.bin could not be fetched: 127.0.0.1:{server.server_port}: HTTP 404 Not Found; by hand: get {address} "
        f"(sha256 {SHA256}), put it at {place} and run the same command again"
    )
    assert left(place) == []


def test_without_a_network_nobody_waits(fetcher, place, pauses):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/f"
        with pytest.raises(DataError, match=r"no connection \(Connection refused\); by hand: get "):
            fetcher.bring(remote(address), place)
    assert pauses == []


def test_unknown_host_is_named(fetcher, place, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DataError, match=r"data\.invalid: no connection \(Name or service not known\)"):
        fetcher.bring(remote("https://data.invalid/f"), place)


def test_connection_that_cannot_be_trusted_is_not_tried_again(fetcher, place, monkeypatch, pauses):
    def forged(*_, **__):
        raise ssl.SSLCertVerificationError(1, "certificate verify failed")

    monkeypatch.setattr(socket, "getaddrinfo", forged)
    with pytest.raises(DataError, match=r"no trusted connection \(certificate verify failed\)"):
        fetcher.bring(remote("https://data.invalid/f"), place)
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
    fetcher.bring(remote(address), place)
    assert place.read_bytes() == BODY
    assert pauses == [1, 2]


KILLED = """
import sys
from pathlib import Path
from evar.data.downloads.fetch import Fetcher
from evar.data.downloads.sources import RemoteFile
from evar.base.progress import silent

file = RemoteFile(name="sounds.bin", addresses=[sys.argv[1]], provenance="a test")
Fetcher(silent, print).bring(file, Path(sys.argv[2]))
"""


def test_killed_process_leaves_a_half_that_the_next_one_goes_on_with(server, fetcher, place):
    address = server.play("/f", stalls(270_000), serves)
    process = subprocess.Popen([sys.executable, "-c", KILLED, address, str(place)])
    try:
        while Part(place).size < 1 << 17:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not place.exists()
    size = Part(place).size
    fetcher.bring(remote(address), place)
    assert place.read_bytes() == BODY
    assert server.requests[1] == ("/f", f"bytes={size}-", '"one"')


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("unpack", "free"), [(None, 299_999), (".", 749_999)])
def test_disk_without_room_is_told_before_a_byte_is_fetched(server, fetcher, place, monkeypatch, unpack, free):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free))
    wanted = remote(server.play("/f", serves), unpack=unpack)
    with pytest.raises(StorageError, match=r"fetching.* sounds.bin needs 0\.\d MB in .*, 0\.\d MB are free"):
        fetcher.bring(wanted, place)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free + 1))
    fetcher.bring(wanted, place)


def test_full_disk_is_one_line_and_the_half_is_kept(server, fetcher, place, monkeypatch):
    address = server.play("/f", breaks(100_000), serves)
    with pytest.raises(DataError):
        Fetcher(fetcher.progress, fetcher.note, fetch.Patience(tries=1)).bring(remote(address), place)

    def full(*_):
        raise OSError(28, "No space left on device")

    real = transfer._blocks
    monkeypatch.setattr(transfer, "_blocks", full)
    with pytest.raises(StorageError, match="no space left for .*sounds.bin"):
        fetcher.bring(remote(address), place)
    monkeypatch.setattr(transfer, "_blocks", real)
    fetcher.bring(remote(address), place)
    assert server.requests[-1][1] == "bytes=100000-"


def test_progress_counts_the_bytes_of_the_whole_file(server, place, notes, pauses):
    bars = []

    @contextlib.contextmanager
    def progress(stage, *, total, unit, initial=0):
        bars.append([stage, total, unit, initial])
        yield lambda amount: bars[-1].__setitem__(3, bars[-1][3] + amount)

    fetcher = Fetcher(progress, notes.append, fetch.Patience(sleep=pauses.append))
    fetcher.bring(remote(server.play("/f", breaks(100_000), serves)), place)
    assert bars == [
        ["fetch sounds.bin", 300_000, "byte", 100_000],
        ["fetch sounds.bin", 300_000, "byte", 300_000],
        ["verify sounds.bin.part", 300_000, "byte", 300_000],
    ]
