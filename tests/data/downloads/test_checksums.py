"""Is it the file that is meant: by a published checksum, else by what was recorded at first use."""

import hashlib

import pytest

from evar.base.errors import DataError
from tests.data.downloads.server import (
    BODY,
    OTHER,
    SHA256,
    breaks,
    file,
    left,
    remote,
    serves,
)


def test_pieces_that_do_not_fit_together_are_fetched_anew_once(server, fetcher, place, notes):
    path = server.play("/f", breaks(100_000, body=OTHER, etag=""), file(etag=""))
    fetcher.bring(remote(path), place)
    assert place.read_bytes() == BODY
    assert "the pieces do not fit together" in notes[1]
    assert [request[1] for request in server.requests] == [None, "bytes=100000-", None]


def test_wrong_bytes_are_set_aside_and_never_used(server, fetcher, place):
    with pytest.raises(DataError, match=f"its checksum is .*, the sha256 published is {SHA256}.*set aside"):
        fetcher.bring(remote(server.play("/f", file(OTHER))), place)
    assert left(place) == ["sounds.bin.wrong"]


def test_another_address_makes_up_for_wrong_bytes(server, fetcher, place):
    fetcher.bring(remote(server.play("/bad", file(OTHER)), server.play("/f", serves)), place)
    assert place.read_bytes() == BODY


def test_md5_is_checked_where_that_is_what_is_published(server, fetcher, place):
    md5 = hashlib.md5(BODY).hexdigest()
    fetcher.bring(remote(server.play("/f", serves), checksum=f"md5:{md5}"), place)
    with pytest.raises(DataError, match="md5 published is 0000"):
        fetcher.bring(remote(server.play("/f", serves), checksum=f"md5:{'0' * 32}"), place.with_name("again"))


def test_file_that_is_there_is_checked_and_not_fetched(server, fetcher, place):
    place.parent.mkdir()
    place.write_bytes(BODY)
    fetcher.bring(remote(server.play("/f", serves)), place)
    place.write_bytes(OTHER)
    with pytest.raises(DataError, match="is not the file that is meant.*move it away"):
        fetcher.bring(remote(server.address("/f")), place)
    assert server.requests == []
    assert place.read_bytes() == OTHER


def test_sha256_of_a_file_without_a_checksum_is_recorded_told_and_checked_afterwards(server, fetcher, place, notes):
    wanted = remote(server.play("/f", serves, file(OTHER)), checksum=None)
    fetcher.bring(wanted, place)
    record = place.with_name("sounds.bin.sha256")
    assert record.read_text() == f"{SHA256}  sounds.bin\n"
    assert notes == [
        f"sounds.bin: no checksum is published; its sha256 {SHA256} is recorded in {record} and checked from now on"
    ]
    fetcher.bring(wanted, place)
    place.unlink()
    with pytest.raises(DataError, match="sha256 recorded in .*sounds.bin.sha256 is "):
        fetcher.bring(wanted, place)
    assert len(notes) == 1
    record.write_text("nonsense")
    with pytest.raises(DataError, match="holds no sha256 to check it by: delete that file"):
        fetcher.bring(wanted, place)
