"""Decoding: what comes out of `audio.read`, against soundfile and soxr; and that nothing crashes or lies."""

import contextlib
import os
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evar.data import audio
from evar.data.opening import MISSING, ClipFault, Unreadable

RATE = 16_000
HOSTILE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def noise(frames, channels=1, seed=0, level=0.2):
    return (np.random.default_rng(seed).standard_normal((frames, channels)) * level).clip(-0.99, 0.99).astype("f")


def written(path, waveform, rate=RATE, **how):
    soundfile.write(path, waveform, rate, **how)
    return path


def reason(path, kind=ClipFault, look=lambda path: audio.read(path, RATE)):
    with pytest.raises(kind) as error:
        look(path)
    assert "\n" not in str(error.value)
    assert str(path) not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff", "au", "caf"])
def test_sixteen_bit_mono_at_the_rate_comes_back_bit_for_bit(tmp_path, ending):
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    samples[:4] = -32768, 32767, 0, -1
    decoded = audio.read(written(tmp_path / f"a.{ending}", samples, subtype="PCM_16"), RATE)
    assert decoded.samples.dtype == np.int16
    np.testing.assert_array_equal(decoded.samples, samples)
    assert (decoded.original_rate, decoded.duration, decoded.channels, decoded.peak) == (RATE, 5000 / RATE, 1, 1.0)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_resampling_is_soxr_hq_of_the_mean_over_channels(tmp_path, rate):
    waveform = noise(rate // 2, 2)
    decoded = audio.read(written(tmp_path / "a.wav", waveform, rate, subtype="FLOAT"), RATE)
    expected = soxr.resample(waveform.mean(1), rate, RATE, quality="HQ")
    assert len(decoded.samples) == len(expected)
    assert np.abs(decoded.samples - expected * 32768).max() <= 0.51
    assert decoded.peak == pytest.approx(np.abs(expected).max(), rel=1e-6)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_sixteen_bits_read_as_they_are_give_the_bits_of_floats(tmp_path, channels, rate):
    samples = np.random.default_rng(channels).integers(-32768, 32768, (3000, channels)).astype(np.int16)
    exact = audio.read(written(tmp_path / "a.wav", samples, rate, subtype="PCM_16"), RATE)
    floats = audio.read(written(tmp_path / "b.wav", samples.astype("f") / 32768, rate, subtype="FLOAT"), RATE)
    np.testing.assert_array_equal(exact.samples, floats.samples)
    assert (exact.peak, exact.clipped) == (floats.peak, floats.clipped)


@pytest.mark.parametrize(("ending", "how"), [
    ("wav", {}), ("flac", {}), ("ogg", {}), ("mp3", {}), ("ogg", {"subtype": "OPUS"}), ("aiff", {}),
])  # fmt: skip
def test_a_long_file_is_the_same_in_blocks(tmp_path, monkeypatch, ending, how):
    path = written(tmp_path / f"a.{ending}", noise(48000, 2), 48000, **how)
    whole = audio.read(path, RATE)
    for block in (4096, 9999, 96000):
        monkeypatch.setattr(audio, "BLOCK_SAMPLES", block)
        in_blocks = audio.read(path, RATE)
        np.testing.assert_array_equal(in_blocks.samples, whole.samples)
        assert (in_blocks.peak, in_blocks.duration) == (whole.peak, whole.duration)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    how=st.sampled_from([
        ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
        ("WAV", "ALAW"), ("WAV", "ULAW"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "FLOAT"), ("AIFF", "PCM_S8"),
        ("AIFF", "PCM_24"), ("AIFF", "DOUBLE"), ("AU", "ULAW"), ("AU", "PCM_32"), ("CAF", "PCM_16"), ("NIST", "PCM_16"),
        ("FLAC", "PCM_S8"), ("FLAC", "PCM_24"),
    ]),
    channels=st.integers(1, 8),
    rate=st.sampled_from([8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000]),
    frames=st.integers(100, 2500).map(lambda half: 2 * half),  # libsndfile writes the padding of odd AIFF as a frame
)  # fmt: skip
def test_every_width_rate_and_channel_count_survives(tmp_path, how, channels, rate, frames):
    waveform = noise(frames, channels, level=0.1)
    path = written(tmp_path / "a", waveform, rate, format=how[0], subtype=how[1])
    decoded = audio.read(path, rate)
    assert (decoded.original_rate, decoded.channels) == (rate, channels)
    assert decoded.duration == pytest.approx(frames / rate)
    tolerance = 0.03 if how[1] in ("PCM_S8", "PCM_U8", "ALAW", "ULAW") else 2 / 32768
    assert np.abs(decoded.samples / 32768 - waveform.mean(1)).max() < tolerance
    assert len(audio.read(path, RATE).samples) == pytest.approx(frames * RATE / rate, abs=1)


@pytest.mark.parametrize(("ending", "how"), [("mp3", {}), ("ogg", {}), ("ogg", {"subtype": "OPUS"})])
def test_lossy_formats_keep_length_and_sound(tmp_path, ending, how):
    time = np.arange(48000) / 48000
    tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype("f")
    decoded = audio.read(written(tmp_path / f"a.{ending}", tone, 48000, **how), RATE)
    assert len(decoded.samples) == pytest.approx(RATE, abs=200)
    spectrum = np.abs(np.fft.rfft(decoded.samples[:RATE] * np.hanning(len(decoded.samples[:RATE]))))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)
    assert decoded.peak == pytest.approx(0.3, abs=0.03)


def test_saturates_and_gives_the_share_and_the_peak(tmp_path):
    waveform = np.full(1000, 0.5, "f")
    waveform[:100], waveform[100:150] = 1.5, -2.0
    decoded = audio.read(written(tmp_path / "a.wav", waveform, subtype="FLOAT"), RATE)
    assert decoded.samples.max() == 32767
    assert decoded.samples.min() == -32768
    assert (decoded.clipped, decoded.peak) == (0.15, 2.0)


def test_rounds_to_the_nearest(tmp_path):
    waveform = np.array([0.4, 0.6, -0.4, -0.6, 10.5, 11.5], "f") / 32768
    decoded = audio.read(written(tmp_path / "a.wav", waveform, subtype="FLOAT"), RATE)
    np.testing.assert_array_equal(decoded.samples, [0, 1, 0, -1, 10, 12])


@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_not_finite_is_a_fault(tmp_path, bad, rate):
    waveform = noise(3000, 2)
    waveform[1234, 1] = bad
    assert "not finite" in reason(written(tmp_path / "a.wav", waveform, rate, subtype="FLOAT"))


@pytest.mark.parametrize("channels", [1, 8])
def test_floats_near_their_limit_are_a_fault_without_a_warning(tmp_path, channels):
    waveform = np.full((3000, channels), 3.4e38, "f")
    assert "range" in reason(written(tmp_path / "a.wav", waveform, 44100, subtype="FLOAT"))
    assert "not finite" in reason(written(tmp_path / "b.wav", np.full(3000, 1e300), subtype="DOUBLE"))


def test_what_is_no_file_is_distinguished_and_never_opened(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    for name, target in (("dangling", "nothing.wav"), ("loop", "loop"), ("zero", "/dev/zero"), ("tty", "/dev/tty")):
        (tmp_path / name).symlink_to(target)
    for name, said in {
        "absent.wav": MISSING,
        "folder.wav": "is a folder",
        "folder.wav/x.wav": MISSING,
        "dangling": "is a link to nothing",
        "loop": "cannot be opened: Too many levels of symbolic links",
        "pipe.wav": "is no regular file",
        "zero": "is no regular file",
        "tty": "is no regular file",
        "a\0b.wav": "null",
        "x" * 300: "cannot be opened: File name too long",
    }.items():
        assert said in reason(tmp_path / name, Unreadable)


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from evar.data import audio
from evar.data.opening import ClipFault
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith("VmSize"):
        held = int(line.split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (held + (400 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        audio.read(Path(path), 16000)
    except ClipFault as fault:
        print(fault)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_of_gigabytes_are_refused_by_their_size_with_little_memory(tmp_path):
    two = 2_000_000_000
    wav = written(tmp_path / "a.wav", noise(100), subtype="PCM_16").read_bytes()
    size = wav.index(b"data") + 4
    frame = b"\xff\xfb\x90\0".ljust(417, b"\0")  # 128 kbit/s, 44.1 kHz
    beginnings = {
        "stated": wav[:size] + struct.pack("<I", two) + wav[size + 4 :],
        "streamed": wav[:size] + bytes(4) + b"\1\2\3\4",
        "ogg": b"OggS",
        "mp3": frame * 10,
        "mp3_memory": frame * 10,
    }
    for name, beginning in beginnings.items():
        with (tmp_path / name).open("wb") as file:
            file.write(beginning)
            file.truncate(two // 2 if name == "mp3_memory" else two)
    paths = [str(tmp_path / name) for name in beginnings]
    done = subprocess.run([sys.executable, "-c", LITTLE_MEMORY, *paths], capture_output=True, text=True, timeout=60)
    large = "2.0 GB: of a file of its kind at most 1.1 GB are read, divide it"
    hours = "its header promises 17.4 hours, at most 4.7 hours are read: divide it"
    assert (done.stdout.splitlines(), done.stderr) == (
        [hours, large, large, large, "needs more memory than there is"],
        "",
    )


def test_a_stream_of_unstated_length_is_not_read_without_end(tmp_path, monkeypatch):
    content = bytearray(written(tmp_path / "a.flac", noise(5 * RATE)).read_bytes())
    content[21] &= 0xF0  # 36 bits of STREAMINFO: total samples
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    assert audio.read(tmp_path / "a.flac", RATE).duration == 5
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 4096)
    monkeypatch.setattr(audio, "MOST_SAMPLES", 4 * RATE)
    assert "its stream does not end" in reason(tmp_path / "a.flac")
    assert "its header promises" in reason(written(tmp_path / "b.flac", noise(5 * RATE)))


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_24_bits_at_the_wrong_end_of_32_are_a_fault(tmp_path, form):
    samples = np.random.default_rng(0).integers(-(1 << 23), 1 << 23, (3000, 2)).astype(np.int32)
    for quieter in (0, 3, 6):
        low = written(tmp_path / "low", samples >> quieter, format=form, subtype="PCM_32")
        assert "24 bits in the wrong place" in reason(low)
        high = written(tmp_path / "high", (samples >> quieter) << 8, format=form, subtype="PCM_32")
        assert audio.read(high, RATE).peak > 0.01
    for silence in (0, 1, 1000):
        decoded = audio.read(
            written(tmp_path / "silent", np.full(3000, silence, np.int32), subtype="PCM_32", format=form), RATE
        )
        assert not decoded.samples.any()


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_integers_written_as_floats_are_a_fault_and_loud_floats_are_none(tmp_path, rate):
    waveform = noise(4000, 2)
    for scale in (32768, 1 << 23, 1 << 31):
        assert "integers written as floats" in reason(
            written(tmp_path / "a.wav", waveform * scale, rate, subtype="FLOAT")
        )
    assert audio.read(written(tmp_path / "a.wav", waveform * 10, rate, subtype="FLOAT"), RATE).peak > 1


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_channels_that_cancel_each_other_are_a_fault_and_quiet_ones_are_none(tmp_path, monkeypatch, rate, subtype):
    waveform = noise(20_000, 1)
    both = np.concatenate([waveform, -waveform], axis=1)
    for block in (audio.BLOCK_SAMPLES, 4096):
        monkeypatch.setattr(audio, "BLOCK_SAMPLES", block)
        assert "channels cancel each other" in reason(written(tmp_path / "a.wav", both, rate, subtype=subtype))
        both[15_000:, 1] *= 0.5  # at times they do not
        assert audio.read(written(tmp_path / "a.wav", both, rate, subtype=subtype), RATE).peak > 0.05
        both[15_000:, 1] *= 2
    quiet = 0.002 * np.concatenate([waveform, waveform], axis=1)
    assert audio.read(written(tmp_path / "a.wav", quiet, rate, subtype=subtype), RATE).peak < audio.QUIET_PEAK


def test_sound_that_the_new_rate_cannot_hold_is_a_fault(tmp_path):
    bat = 0.5 * np.sin(2 * np.pi * 40_000 * np.arange(96_000) / 192_000)
    path = written(tmp_path / "a.wav", bat * np.hanning(96_000), 192_000)
    assert "above half the rate" in reason(path)
    assert audio.read(path, 96_000).peak > 0.4


NOT_ROOT = """
import os, sys
from pathlib import Path
from evar.data import audio
from evar.data.opening import Unreadable
from evar.data.store_writer import NO_FILE, signature
if os.getuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    audio.read(Path(sys.argv[1]), 16000)
except Unreadable as fault:
    print(fault, signature(sys.argv[1]) == NO_FILE)
"""


def test_a_file_that_others_may_not_read_is_reported(tmp_path):
    with tempfile.TemporaryDirectory() as name:  # tmp_path itself is closed to others
        Path(name).chmod(0o755)
        path = written(Path(name) / "a.wav", noise(100))
        path.chmod(0)
        done = subprocess.run([sys.executable, "-c", NOT_ROOT, path], capture_output=True, text=True)
    if "PermissionError" in done.stderr:
        pytest.skip("this machine lets nobody become another user, or nobody else use this Python")
    assert (done.stdout, done.stderr) == ("cannot be opened: Permission denied True\n", "")


@pytest.mark.parametrize("ending", ["wav", "au", "mp3", "raw", "flac", "snd", "gsm", "vox"])
@pytest.mark.parametrize("content", [
    b"", b"\0", b"RIFF", b"not audio\n" * 500, "not audio\n".encode("utf-16") * 500, b"<html>404</html>",
    bytes(10_000), b"\xff" * 10_000, b"ID3\x04\0\0\0\0\x0f\x76" + bytes(2048), b"OggS", b"fLaC", b".snd",
    b"FORM1234AIFF",
])  # fmt: skip
def test_what_is_no_audio_is_a_fault_whatever_its_name(tmp_path, ending, content):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    assert reason(path)


def test_random_bytes_are_never_taken_for_audio(tmp_path):
    for seed in range(20):
        path = tmp_path / "a.mp3"
        path.write_bytes(np.random.default_rng(seed).bytes(100_000))
        assert reason(path)


def test_a_header_without_audio_is_empty(tmp_path):
    for ending in ("wav", "aiff", "au", "flac"):
        assert "empty" in reason(written(tmp_path / f"a.{ending}", noise(0)))
    (tmp_path / "zero.wav").touch()
    assert reason(tmp_path / "zero.wav") == "empty: zero bytes"


def test_one_sample_is_a_clip_at_its_own_rate_and_none_far_above(tmp_path):
    assert len(audio.read(written(tmp_path / "a.wav", noise(1)), RATE).samples) == 1
    assert "empty" in reason(written(tmp_path / "b.wav", noise(1), 192000))


def test_an_absurd_rate_is_a_fault_and_not_a_flood_of_memory(tmp_path):
    content = bytearray(written(tmp_path / "a.wav", noise(100_000)).read_bytes())
    content[24:28] = struct.pack("<I", 1)
    (tmp_path / "a.wav").write_bytes(content)
    assert "1 Hz" in reason(tmp_path / "a.wav")


def test_mp3_named_wav_decodes(tmp_path):
    mp3 = written(tmp_path / "a.wav", noise(RATE), format="MP3")
    assert len(audio.read(mp3, RATE).samples) == RATE


def test_a_glance_finds_what_shows_without_decoding(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    whole = written(tmp_path / "a.wav", noise(RATE)).read_bytes()
    for ending in ("wav", "flac", "mp3", "ogg", "aiff"):
        audio.glance(written(tmp_path / f"whole.{ending}", noise(RATE)))
    bad = {"cut.wav": whole[:20_000], "empty.wav": b"", "text.wav": b"no audio", "a.m4a": b"\0\0\0\x20ftypM4A "}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        assert reason(tmp_path / name, look=audio.glance) == reason(tmp_path / name)


def test_formats_whose_end_is_unknown_are_refused(tmp_path):
    assert "convert" in reason(written(tmp_path / "a", noise(1000), format="VOC", subtype="PCM_16"))


def test_real_odd_headers_decode(shared):
    files = sorted((shared / "data" / "decode_cases").iterdir())
    assert len(files) > 5
    for path in files:
        reference, rate = soundfile.read(path, dtype="float32", always_2d=True)
        decoded = audio.read(path, RATE)
        assert decoded.duration == len(reference) / rate
        expected = soxr.resample(reference.mean(1), rate, RATE, quality="HQ")
        assert np.abs(decoded.samples - (expected * 32768).clip(-32768, 32767)).max() <= 0.51


def test_threads_do_not_disturb_each_other(tmp_path):
    paths = [written(tmp_path / f"{n}.flac", noise(20_000, 2, seed=n), 44100) for n in range(8)]
    alone = [audio.read(path, RATE).samples for path in paths]
    together = {}

    def work(number):
        together[number] = [audio.read(path, RATE).samples for path in paths]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found in together.values():
        assert all(np.array_equal(a, b) for a, b in zip(found, alone, strict=True))
    assert len(together) == 4


SEEDS = [
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("RF64", "PCM_16"), ("W64", "PCM_16"),
    ("AIFF", "PCM_16"), ("AU", "ULAW"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
    ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
]  # fmt: skip


@HOSTILE
@given(
    how=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)), max_size=4),
    keep=st.floats(0, 1),
    more=st.binary(max_size=40),
)
@example(how=SEEDS[0], edits=[(16, b"\xff\xff\xff\xff")], keep=1.0, more=b"")
@example(how=SEEDS[0], edits=[(40, b"\0\0\0\0")], keep=1.0, more=b"")
def test_damage_is_a_fault_or_decodes_but_never_crashes(tmp_path, how, edits, keep, more):
    path = written(tmp_path / "a", noise(1600), RATE, format=how[0], subtype=how[1])
    content = bytearray(path.read_bytes())
    for at, new in edits:
        content[at : at + len(new)] = new
    path.write_bytes(bytes(content[: int(len(content) * keep)]) + more)
    with contextlib.suppress(ClipFault):
        decoded = audio.read(path, RATE)
        assert len(decoded.samples)
        assert np.isfinite(decoded.peak)
