"""One request of a real server: resumed where that is safe, redirected within reason, and never taken in by a lie."""

import contextlib
import hashlib

import pytest

from evar.base.errors import DataError
from evar.data.downloads import transfer
from evar.data.downloads.part import Origin, Part
from tests.data.downloads.server import (
    BODY,
    OTHER,
    breaks,
    chunked,
    endless,
    file,
    hang_up,
    left,
    redirects,
    remote,
    serves,
    stalls,
    without_length,
)


def test_broken_transfer_goes_on_where_it_ended_if_the_file_is_still_the_same(server, fetcher, place, notes):
    fetcher.bring(remote(server.play("/f", breaks(100_000), breaks(50_000), serves)), place)
    assert place.read_bytes() == BODY
    assert server.requests == [
        ("/f", None, None),
        ("/f", "bytes=100000-", '"one"'),
        ("/f", "bytes=150000-", '"one"'),
    ]
    assert notes[0] == "sounds.bin: the connection broke after 100,000 of 300,000 bytes; try 2 of 4 in 1 s"


def test_file_that_changed_on_the_server_is_begun_again(server, fetcher, place):
    new = file(OTHER, etag='"two"')
    wanted = remote(server.play("/f", breaks(100_000), new), checksum=f"sha256:{hashlib.sha256(OTHER).hexdigest()}")
    fetcher.bring(wanted, place)
    assert place.read_bytes() == OTHER
    assert server.requests[1] == ("/f", "bytes=100000-", '"one"')


@pytest.mark.parametrize("rest", [(OTHER, 100_000), (BODY, 100_001), (BODY + b"more", 100_000)])
def test_server_that_sends_the_rest_of_another_file_is_not_trusted(server, fetcher, place, notes, rest):
    fetcher.bring(remote(server.play("/f", breaks(100_000), rest_of(*rest), serves)), place)
    assert place.read_bytes() == BODY
    assert server.requests[2] == ("/f", None, None)
    assert "the file has changed on the server, or another part came than was asked for" in notes[1]


def rest_of(body, start):
    def serve(handler):
        etag = '"two"' if body == OTHER else '"one"'
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.begin(206, ETag=etag, Content_Range=span, Content_Length=len(body) - start)
        handler.wfile.write(body[start:])

    return serve


def test_server_without_ranges_restarts_cleanly(server, fetcher, place):
    fetcher.bring(remote(server.play("/f", breaks(100_000, ranges=False), file(ranges=False))), place)
    assert place.read_bytes() == BODY


def test_without_a_validator_only_a_file_with_a_checksum_is_continued(server, fetcher, place):
    path = server.play("/f", breaks(100_000, etag=""), file(etag=""))
    fetcher.bring(remote(path), place)
    assert server.requests[1] == ("/f", "bytes=100000-", None)
    other = place.with_name("other.bin")
    fetcher.bring(remote(server.play("/f", breaks(100_000, etag=""), file(etag="")), checksum=None), other)
    assert server.requests[3] == ("/f", None, None)
    assert place.read_bytes() == other.read_bytes() == BODY


def test_weak_validator_is_never_asked_for(server, fetcher, place):
    weak = {"etag": 'W/"one"'}
    fetcher.bring(remote(server.play("/f", breaks(100_000, **weak), file(**weak))), place)
    assert server.requests[1] == ("/f", "bytes=100000-", None)
    assert place.read_bytes() == BODY


def test_stall_times_out_and_goes_on(server, fetcher, place, notes):
    fetcher.bring(remote(server.play("/f", stalls(100_000), serves)), place)
    assert place.read_bytes() == BODY
    assert "the server stalled: no byte for 0.3 s" in notes[0]
    assert server.requests[1][1] == "bytes=100000-"


def test_redirects_are_followed_and_keep_the_range(server, fetcher, place):
    server.play("/f", breaks(100_000), serves)
    server.play("/older", redirects("/f"))
    fetcher.bring(remote(server.play("/old", redirects("/older"))), place)
    assert place.read_bytes() == BODY
    assert server.requests[-1] == ("/f", "bytes=100000-", '"one"')


@pytest.mark.parametrize("path", ["/loop", "/1"])
def test_redirects_without_end_are_given_up(server, fetcher, place, path):
    server.play("/loop", redirects("/loop"))
    for number in range(1, 9):
        server.play(f"/{number}", redirects(f"/{number + 1}"))
    server.play("/9", serves)
    with pytest.raises(DataError, match="HTTP 302: redirects in a circle, or more than 5 times"):
        fetcher.bring(remote(server.address(path)), place)
    assert len(server.requests) <= 6


@pytest.mark.parametrize(("to", "why"), [("ftp://127.0.0.1/f", "not secure"), ("file:///etc/passwd", "not allowed")])
def test_redirect_out_of_the_web_is_refused(server, fetcher, place, to, why):
    with pytest.raises(DataError, match=why):
        fetcher.bring(remote(server.play("/f", redirects(to))), place)
    assert left(place) == []


@pytest.mark.parametrize(
    ("source", "target", "followed"),
    [("https", "http", False), ("https", "https", True), ("http", "http", True), ("http", "https", True)],
)
def test_secure_connection_is_never_left(source, target, followed):
    request = transfer.urllib.request.Request(f"{source}://host/f", headers={"Range": "bytes=5-"})
    with contextlib.ExitStack() as stack:
        if not followed:
            stack.enter_context(pytest.raises(transfer.urllib.error.HTTPError, match="not secure"))
        new = transfer._Redirects().redirect_request(request, None, 302, "Found", {}, f"{target}://host/g")
        assert new.full_url == f"{target}://host/g"
        assert new.get_header("Range") == "bytes=5-"


def test_size_other_than_the_published_one_is_refused_before_a_byte_is_read(server, fetcher, place):
    with pytest.raises(DataError, match="it offers 300,000 bytes, published are 299,999"):
        fetcher.bring(remote(server.play("/f", serves), bytes=299_999), place)
    assert left(place) == []


@pytest.mark.parametrize("length", [200_000, 400_000])
def test_length_that_lies_never_passes_for_the_file(server, fetcher, place, length):
    lie = file(then=hang_up, ranges=False, Content_Length=length)
    with pytest.raises(DataError):
        fetcher.bring(remote(server.play("/f", lie)), place)
    assert not place.exists()


def test_chunked_answer_is_read_and_a_broken_one_is_noticed(server, fetcher, place):
    fetcher.bring(remote(server.play("/f", chunked(whole=False), chunked()), checksum=None), place)
    assert place.read_bytes() == BODY
    assert len(server.requests) == 2


def test_answer_without_length_is_taken_only_if_a_checksum_can_tell_its_end(server, fetcher, place):
    address = server.play("/f", without_length)
    with pytest.raises(DataError, match="does not tell the file's size"):
        fetcher.bring(remote(address, checksum=None), place)
    fetcher.bring(remote(address), place)
    assert place.read_bytes() == BODY


def test_answer_without_end_is_cut_off(server, fetcher, place, monkeypatch):
    with pytest.raises(DataError, match="it sends more than 300,000 bytes"):
        fetcher.bring(remote(server.play("/f", endless), bytes=300_000), place)
    monkeypatch.setattr(transfer, "MOST_BYTES", 1_000_000)
    with pytest.raises(DataError, match="it sends more than 1,000,000 bytes"):
        fetcher.bring(remote(server.play("/f", endless)), place)
    assert left(place) == []


def test_whole_half_needs_no_second_request(server, fetcher, place):
    place.parent.mkdir()
    Part(place).begin(Origin(server.play("/f", serves), '"one"', len(BODY)))
    Part(place).path.write_bytes(BODY)
    fetcher.bring(remote(server.address("/f")), place)
    assert (server.requests, place.read_bytes()) == ([], BODY)


def test_half_that_was_whole_without_anybody_knowing_is_taken(server, fetcher, place):
    place.parent.mkdir()
    Part(place).begin(Origin(server.play("/f", serves), '"one"', None))
    Part(place).path.write_bytes(BODY)
    fetcher.bring(remote(server.address("/f")), place)
    assert place.read_bytes() == BODY
    assert server.requests == [("/f", "bytes=300000-", '"one"')]


@pytest.mark.parametrize("note", [b"", b"{", b'{"address": 1}', b"[]", b"7"])
def test_half_whose_origin_is_not_known_is_begun_again(server, fetcher, place, note):
    place.parent.mkdir()
    place.with_name("sounds.bin.part").write_bytes(OTHER[:1000])
    place.with_name("sounds.bin.part.json").write_bytes(note)
    fetcher.bring(remote(server.play("/f", serves)), place)
    assert server.requests == [("/f", None, None)]
    assert place.read_bytes() == BODY
