"""Files that only the ffmpeg command reads: with a stand-in for it, without it, and with the real one where it is."""

import io
import shutil
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evar.base.errors import StorageError
from evar.data import audio, ffmpeg
from evar.data.opening import ClipFault, Unreadable
from evar.data.store import prepare
from evar.pretrain.sources import Source, prepare_sources

RATE = 16_000
M4A = b"\0\0\0\x20ftypM4A " + bytes(100)
BEGINNINGS = {
    "MP4 or M4A": M4A,
    "WebM or Matroska": b"\x1aE\xdf\xa3" + bytes(100),
    "AAC": b"\xff\xf1\x50\x80" + bytes(100),
    "WMA": b"0&\xb2u\x8ef\xcf\x11" + bytes(100),
    "AMR": b"#!AMR\n" + bytes(100),
    "WavPack": b"wvpk" + bytes(100),
    "Monkey's Audio": b"MAC " + bytes(100),
    "True Audio": b"TTA1" + bytes(100),
    "AVI": b"RIFF\0\0\0\0AVI LIST" + bytes(100),
    "WAV of a rare encoding": b"RIFF\x48\0\0\0WAVEfmt \x12\0\0\0"
    + struct.pack("<HHIIHHH", 0x161, 1, RATE, 4000, 300, 0, 0)
    + b"data\x64\0\0\0"
    + bytes(100),
    "CAF of a rare encoding": b"caff\0\1\0\0desc"
    + struct.pack(">Qd4sIIIII", 32, 44100, b"aac ", 0, 0, 1024, 2, 0)
    + b"data"
    + struct.pack(">Q", 104)
    + bytes(104),
}
LOG = """[info] ffmpeg version 7.1-test Copyright (c) 2000-2026 the FFmpeg developers
[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/dev/fd/3':
[info]   Metadata:
[info]     title           : Duration: 09:00:00.00, start: 0.0
[info]   Duration: 00:00:0{seconds:.2f}, start: 0.000000, bitrate: 133 kb/s
[info]   Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 129 kb/s (default)
"""
PICTURE = "[info]   Stream #0:1[0x2](und): Video: h264 (avc1 / 0x31637661), yuv420p, 64x64, 25 fps\n"
COVER = "[info]   Stream #0:1[0x0]: Video: mjpeg (Baseline), yuvj420p, 64x64, 90k tbr (attached pic)\n"
ESTIMATE = "[aac @ 0x555d3b241300] [warning] Estimating duration from bitrate, this may be inaccurate\n"
ERROR = "[in#0/mov,mp4,m4a @ 0x55a795def300] [error] stream 0, offset 0xfd7c: partial file\n"


def sound(seconds=1.0, rate=44100):
    return (np.random.default_rng(0).standard_normal((round(seconds * rate), 2)) * 0.1).astype("f")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for clips; the only command on the PATH, besides the system's, is what `stand_in` puts there."""
    (tmp_path / "bin").mkdir()
    if shutil.which("ffmpeg", path="/usr/bin:/bin"):
        for name in ("cat", "head", "sleep", "yes"):
            (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "/nowhere")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    else:
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def stand_in(folder, *, seconds=1.0, log=LOG, promised=None, before="", after=""):
    """A command `ffmpeg` that writes its arguments, the log, and an AU file of so many seconds."""
    content = io.BytesIO()
    soundfile.write(content, sound(seconds), 44100, format="AU", subtype="FLOAT")
    au = content.getvalue()
    (folder / "sound.au").write_bytes(au[:8] + b"\xff" * 4 + au[12:])  # of unknown length, as ffmpeg writes into a pipe
    (folder / "log").write_text(log.format(seconds=seconds if promised is None else promised))
    script = f"""#!/bin/sh
printf '%s\\n' "$@" > '{folder}/arguments'
{before}
cat '{folder}/log' >&2
cat '{folder}/sound.au'
{after}
"""
    (folder / "bin" / "ffmpeg").write_text(script)
    (folder / "bin" / "ffmpeg").chmod(0o755)


def clip(folder, content=M4A, name="a.m4a"):
    (folder / name).write_bytes(content)
    return folder / name


def reason(path, kind=ClipFault):
    with pytest.raises(kind) as error:
        audio.read(path, RATE)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_without_ffmpeg_the_reason_says_what_the_file_is_and_how_to_convert_it(folder, kind):
    for content in (BEGINNINGS[kind], b"ID3\x04\0\0\0\0\x01\0" + bytes(128) + BEGINNINGS[kind]):
        said = reason(clip(folder, content), audio.NeedsFfmpeg)
        assert said.startswith(f"is {kind}, for which ffmpeg is needed: ")
        assert "ffmpeg -i CLIP -f flac NEW && mv NEW CLIP" in said
        if "rare" in kind:  # none tags those
            break


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_with_ffmpeg_a_file_is_decoded_as_any_other(folder, kind):
    stand_in(folder)
    decoded = audio.read(clip(folder, BEGINNINGS[kind]), RATE)
    soundfile.write(folder / "a.wav", sound(), 44100, subtype="FLOAT")
    np.testing.assert_array_equal(decoded.samples, audio.read(folder / "a.wav", RATE).samples)
    assert (decoded.original_rate, decoded.channels, decoded.duration) == (44100, 2, 1.0)
    assert (decoded.decoder, decoded.lacking) == ("ffmpeg 7.1-test", 0.0)


@pytest.mark.parametrize("name", ["-i.m4a", "concat:a|b.m4a", "http:x.m4a", "$(touch hacked).m4a", "new\nline.m4a"])
def test_ffmpeg_sees_an_open_descriptor_and_no_name(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    stand_in(folder)
    clip(folder, name=name)
    assert len(audio.read(Path(name), RATE).samples) == RATE
    arguments = (folder / "arguments").read_text().splitlines()
    assert arguments[arguments.index("-i") + 1].startswith("file:/dev/fd/")
    assert arguments[arguments.index("-f") + 1] == "mov"  # nothing is guessed
    assert arguments[arguments.index("-protocol_whitelist") + 1] == "file,pipe"
    assert not [argument for argument in arguments if name.splitlines()[0] in argument]
    assert not (folder / "hacked").exists()


def test_ffmpeg_reads_the_file_that_was_opened(folder):
    stand_in(
        folder, before=f'while [ $# -gt 1 ]; do [ "$1" = -i ] && cat "${{2#file:}}" > \'{folder}/seen\'; shift; done'
    )
    assert len(audio.read(clip(folder), RATE).samples) == RATE
    assert (folder / "seen").read_bytes() == M4A


def test_less_than_the_container_promises_is_a_fault(folder):
    stand_in(folder, promised=1.5)
    assert reason(clip(folder)) == "its header promises 1.500 s, 1.000 s could be decoded"
    stand_in(folder, promised=1.05)
    assert audio.read(clip(folder), RATE).lacking == pytest.approx(0.05, abs=1e-4)


def test_a_promise_that_is_not_the_sounds_is_not_compared_like_one(folder):
    stand_in(folder, promised=9, log=LOG + ESTIMATE)
    assert audio.read(clip(folder), RATE).lacking == 0
    stand_in(folder, seconds=8, promised=8.7, log=LOG + PICTURE)
    assert audio.read(clip(folder), RATE).lacking == pytest.approx(0.7, abs=1e-4)
    stand_in(folder, seconds=8, promised=8.7, log=LOG + COVER)
    assert "promises" in reason(clip(folder))
    stand_in(folder, seconds=6, promised=8.7, log=LOG + PICTURE)
    assert "promises" in reason(clip(folder))
    stand_in(folder, log=LOG.replace("00:00:0{seconds:.2f}", "N/A"))
    assert audio.read(clip(folder), RATE).lacking == 0


def test_an_error_in_the_log_is_a_fault_whatever_the_exit_code(folder):
    stand_in(folder, log=LOG + ERROR)
    assert reason(clip(folder)) == "cannot be decoded by ffmpeg: stream 0, offset 0xfd7c: partial file"
    stand_in(folder, log=LOG + "[fatal] a \x1b[31mred\x1b[0m line\n")
    assert "\x1b" not in reason(clip(folder))
    stand_in(folder, log=LOG + ERROR, before=f"cat '{folder}/log' >&2; exit 1")
    assert "partial file" in reason(clip(folder))
    stand_in(folder, after="exit 3")
    assert reason(clip(folder)) == "cannot be decoded by ffmpeg: exit code 3"


def test_what_is_no_sound_is_a_fault(folder):
    stand_in(folder, before="cat /dev/zero 2>/dev/null; exit 0")
    assert reason(clip(folder)) == "cannot be decoded: Format not recognised"
    stand_in(folder, before="exit 0")
    assert "cannot be decoded" in reason(clip(folder))


def test_a_command_that_does_not_start_or_is_killed_is_tried_again(folder):
    stand_in(folder, after="kill -9 $$")
    assert reason(clip(folder), Unreadable) == "ffmpeg was ended by signal 9"
    (folder / "bin" / "ffmpeg").write_bytes(b"\x7fELF no program")
    assert "ffmpeg cannot be started" in reason(clip(folder), Unreadable)


@pytest.mark.parametrize("hang", [
    {"before": "exec sleep 60"},
    {"before": "sleep 60"},  # a wrapper, whose own child keeps the pipes open
    {"after": "exec sleep 60"},
    {"after": "exec >&-; sleep 60"},
    {"before": "yes '[warning] again and again' >&2"},
])  # fmt: skip
def test_a_command_that_does_not_end_is_ended(folder, monkeypatch, hang):
    monkeypatch.setattr(ffmpeg, "LIMIT_SECONDS", 0.5)
    stand_in(folder, **hang)
    begin = time.monotonic()
    assert reason(clip(folder), Unreadable) == "ffmpeg took over 0.5 s"
    assert time.monotonic() - begin < 10


def test_output_without_end_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(audio, "MOST_SAMPLES", RATE * 360)
    stand_in(folder, after="exec cat /dev/zero")
    assert reason(clip(folder)) == "its stream does not end, at most 0.1 hours are read: divide it"


def test_a_log_without_end_is_read_and_dropped(folder):
    stand_in(folder, after="head -c 3000000 /dev/zero >&2")
    assert len(audio.read(clip(folder), RATE).samples) == RATE


def test_too_many_open_files_are_named_for_what_they_are(folder, monkeypatch):
    def none_left(*_arguments, **_options):
        raise OSError(24, "Too many open files")

    stand_in(folder)
    monkeypatch.setattr(subprocess, "Popen", none_left)
    with pytest.raises(StorageError, match="too many open files"):
        audio.read(clip(folder), RATE)


def test_clips_that_waited_for_ffmpeg_are_tried_again_once_it_is_there(folder, notes):
    clip(folder)
    soundfile.write(folder / "b.wav", sound(), 44100)

    def made():
        return prepare(folder, ["a.m4a", "b.wav"], RATE, folder / "cache", workers=2)

    before = made()
    assert before.waiting["path"].tolist() == before.quarantined["path"].tolist() == ["a.m4a"]
    assert made().decoded == 0
    stand_in(folder)
    after = made()
    assert (after.decoded, len(after.usable), len(after.waiting)) == (1, 2, 0)
    assert after.index["decoder"].tolist() == ["ffmpeg 7.1-test", ""]
    assert after.digest != before.digest
    (folder / "bin" / "ffmpeg").unlink()
    assert (made().decoded, made().digest) == (0, after.digest)
    clip(folder, M4A + b"changed")
    assert made().waiting["path"].tolist() == ["a.m4a"]


def test_a_fault_that_ffmpeg_found_is_not_tried_again(folder):
    stand_in(folder, log=LOG + ERROR)
    clip(folder)
    for decoded in (1, 0):
        store = prepare(folder, ["a.m4a"], RATE, folder / "cache", workers=1)
        assert (store.decoded, len(store.waiting), len(store.quarantined)) == (decoded, 0, 1)


def test_preparing_says_how_many_files_wait_and_what_to_do(folder, notes):
    for name in ("a.m4a", "b.m4a"):
        clip(folder, name=name)
    soundfile.write(folder / "c.wav", sound(), 44100)
    source = Source(folder, ["a.m4a", "b.m4a", "c.wav"])
    prepare_sources([source], RATE, folder / "cache", workers=1)
    assert [note for note in notes if note.startswith("2 files need ffmpeg, which is not installed: ")]


FFMPEG = shutil.which("ffmpeg")
CODECS = {"m4a": [], "aac": [], "mka": ["-c:a", "flac"], "wv": [], "wma": [], "mp4": ["-movflags", "faststart"]}


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("ending", CODECS)
def test_the_real_ffmpeg_reads_a_whole_file_and_finds_every_cut(tmp_path, ending):
    time = np.arange(88200) / 44100
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 440 * time), 44100)
    path = tmp_path / f"-protocol:x.{ending}"
    source = ["-i", str(tmp_path / "tone.wav")]
    subprocess.run([str(FFMPEG), "-v", "error", *source, *CODECS[ending], f"file:{path}"], check=True)
    decoded = audio.read(path, RATE)
    assert decoded.duration == pytest.approx(2, abs=0.1)
    spectrum = np.abs(np.fft.rfft(decoded.samples[:RATE] * np.hanning(RATE)))
    assert np.argmax(spectrum) == 440
    assert decoded.peak == pytest.approx(0.3, abs=0.1)
    assert decoded.decoder.startswith("ffmpeg ")
    whole = path.read_bytes()
    for keep in (0.3, 0.6, 0.9, 0.97):
        path.write_bytes(whole[: int(keep * len(whole))])
        assert reason(path)


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("kind", BEGINNINGS)
def test_the_real_ffmpeg_makes_no_sound_of_what_is_none(tmp_path, kind):
    assert reason(clip(tmp_path, BEGINNINGS[kind][:16] + np.random.default_rng(0).bytes(50_000)))
