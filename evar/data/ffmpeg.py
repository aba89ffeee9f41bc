"""Audio that soundfile does not read (M4A, WebM and others), through the `ffmpeg` command where it is installed.

    if kind := kind_of(file): ...              # a kind of file that soundfile does not know
    with Run(file, kind) as run: ...           # run.output: a pipe with an AU file of 32-bit floats
    run.stopped, run.error, run.promised       # what was wrong, and how long the file says that it is

A kind is known by a file's first bytes, and the demuxer is named to ffmpeg: it guesses nothing, follows no
playlist, and sees the open descriptor instead of a name. It runs without a shell, in one thread, for LIMIT_SECONDS at
most; whoever reads the pipe bounds what comes out. Whatever ffmpeg calls an error is a fault of the file: at a cut or a
damage it goes on, and ends with exit code 0 (measured: every cut of ten kinds of file is an error in its log).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from typing import BinaryIO, NamedTuple, Self, cast

from evar.base.errors import shown
from evar.data.mpeg import id3_length

NAME = "ffmpeg"
LIMIT_SECONDS = 300.0  # of the clock; hours of sound take less
LOG_BYTES = 1 << 16  # that are kept; more is read and dropped
REASON_CHARACTERS = 200
TOLERANCE_SECONDS = 0.1  # of a stated length: it is rounded, and WMA loses a frame of up to 64 ms at its start
PICTURE_SECONDS = 1.0  # the same where the length is that of the picture
CONVERT = "ffmpeg -i CLIP -f flac NEW && mv NEW CLIP"  # what a file holds is read, whatever its name ends in
_ESTIMATE = "Estimating duration from bitrate"
_ERROR = re.compile(r"^(?:\[[^\]\n]* @ 0x[0-9a-f]+\] )*\[(?:error|fatal|panic)\] (.+)$", re.MULTILINE)
_DURATION = re.compile(r"^(?:\[info\] )?  Duration: (\d+):(\d\d):(\d\d\.\d+),", re.MULTILINE)
_PICTURE = re.compile(r"^(?:\[info\] )? +Stream #0:.*: Video: (?!.*\(attached pic\))", re.MULTILINE)


class Kind(NamedTuple):
    """A kind of file: its name for people, ffmpeg's demuxer, and how it begins."""

    name: str
    demuxer: str
    begins: bytes  # a pattern


KINDS = (
    Kind("MP4 or M4A", "mov", rb".{4}(?:ftyp|moov|mdat|wide)"),
    Kind("WebM or Matroska", "matroska", rb"\x1aE\xdf\xa3"),
    Kind("AAC", "aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
    Kind("WMA", "asf", rb"0&\xb2u\x8ef\xcf\x11"),
    Kind("AMR", "amr", rb"#!AMR"),
    Kind("WavPack", "wv", rb"wvpk"),
    Kind("Monkey's Audio", "ape", rb"MAC "),
    Kind("True Audio", "tta", rb"TTA1"),
    Kind("AVI", "avi", rb"RIFF.{4}AVI "),
)
"""That soundfile does not open."""

CONTAINERS = (
    Kind("WAV of a rare encoding", "wav", rb"(?:RIFF|RF64).{4}WAVE"),
    Kind("AIFF of a rare encoding", "aiff", rb"FORM"),
    Kind("CAF of a rare encoding", "caf", rb"caff"),
    Kind("Ogg of a rare encoding", "ogg", rb"OggS"),
)
"""That soundfile opens, but where it may not know the encoding inside."""


def kind_of(file: BinaryIO, kinds: tuple[Kind, ...] = KINDS) -> Kind | None:
    """Which of `kinds` the file is, also behind an ID3 tag; None where it is none."""
    file.seek(0)
    head = file.read(16)
    if tag := id3_length(head):
        file.seek(tag)
        head = file.read(16)
    file.seek(0)
    return next((kind for kind in kinds if re.match(kind.begins, head, re.DOTALL)), None)


def installed() -> bool:
    """Whether the command is there."""
    return shutil.which(NAME) is not None


def advice(files: int) -> str:
    """What to do about that many files for which the command is missing, in one line."""
    return (
        f"{files:,} files need ffmpeg, which is not installed: install it and run again, or convert each elsewhere "
        f"and keep its name: {CONVERT}"
    )


class Run:
    """One run of ffmpeg, over when its block ends: then it has ended, or was killed.

    output: a pipe that gives an AU file. Once the block has ended: stopped and error say what went wrong, "" where
    nothing did; stopped is no fault of the file. promised: seconds, 0.0 where the file states none; tolerance: how
    many of them may be missing in a whole file; decoder: the command with its version.
    """

    def __init__(self, file: BinaryIO, kind: Kind) -> None:
        file.seek(0)  # on macOS the descriptor's place is ffmpeg's too
        source = file.fileno()
        command = [NAME, "-nostdin", "-nostats", "-v", "level+info", "-protocol_whitelist", "file,pipe"]
        command += ["-threads", "1", "-f", kind.demuxer, "-i", f"file:/dev/fd/{source}", "-map", "0:a:0"]
        command += ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        pipe = subprocess.PIPE
        try:  # a session of its own is killed as a whole; and ^C, which ends this program, breaks no clip
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, bufsize=0, pass_fds=[source],
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise OSError(error.errno, f"ffmpeg cannot be started: {error.strerror}") from error
        self.output = cast("BinaryIO", self._process.stdout)
        self.stopped = self.error = self._log = ""
        self._reader = threading.Thread(target=self._keep_log, daemon=True)
        self._timer = threading.Timer(LIMIT_SECONDS, self._time_out)

    def __enter__(self) -> Self:
        self._reader.start()
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        abandoned = kind is not None
        if abandoned:
            self._kill()
        self.output.close()
        code = self._process.wait()
        self._timer.cancel()
        self._reader.join(timeout=1)  # ffmpeg's own children, had it any, could keep the pipe open
        errors = _ERROR.findall(self._log)
        if code < 0 and not abandoned:
            self.stopped = self.stopped or f"ffmpeg was ended by signal {-code}"
        elif errors or (code and not abandoned):
            self.error = shown(errors[0])[:REASON_CHARACTERS] if errors else f"exit code {code}"

    @property
    def promised(self) -> float:
        found = _DURATION.search(self._log)
        if found is None or _ESTIMATE in self._log:
            return 0.0
        return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])

    @property
    def tolerance(self) -> float:
        return PICTURE_SECONDS if _PICTURE.search(self._log) else TOLERANCE_SECONDS

    @property
    def decoder(self) -> str:
        found = re.search(r"ffmpeg version (\S+)", self._log)
        return shown(f"{NAME} {found[1]}" if found else NAME)

    def _keep_log(self) -> None:
        log = b""
        with cast("BinaryIO", self._process.stderr) as pipe:
            while block := pipe.read(LOG_BYTES):
                log += block[: LOG_BYTES - len(log)]
                self._log = log.decode(errors="replace")

    def _time_out(self) -> None:
        self.stopped = f"ffmpeg took over {LIMIT_SECONDS:g} s"
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
