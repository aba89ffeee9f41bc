"""What `check` finds out about a task's copy on this machine: plain values, complete, ready for JSON.

Clips are named by their paths in the table; durations and promises in seconds, rates in Hz, shares from 0 to 1.
"""

from dataclasses import dataclass

from evar.data.leaks import Leaks


@dataclass(frozen=True)
class PartCount:
    """Clips of a split or fold: usable ones, those in the table, and those of a complete copy (None: nothing says)."""

    name: str
    found: int
    listed: int
    expected: int | None


@dataclass(frozen=True)
class Class:
    """Clips of a class, part by part in the order of the report's parts; a clip of several classes counts in each.

    expected: in a complete copy, all parts together; None where nothing says.
    """

    name: str
    found: tuple[int, ...]
    listed: tuple[int, ...]
    expected: int | None = None


@dataclass(frozen=True)
class Fault:
    """Quarantined clips of one kind. reason: the first clip's; the others' may differ in its numbers."""

    reason: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Clipped:
    """A clip whose wave is cut off. share: of its samples that are at full scale."""

    path: str
    share: float


@dataclass(frozen=True)
class Quiet:
    """A clip that never gets loud. peak: its largest magnitude, 1.0 = full scale."""

    path: str
    peak: float


@dataclass(frozen=True)
class Short:
    """A clip that holds less than its table, or its own header, promises."""

    path: str
    promised: float
    duration: float


@dataclass(frozen=True)
class Durations:
    """Of the usable clips, as their files have them."""

    shortest: float
    median: float
    longest: float
    total: float


@dataclass(frozen=True)
class Report:
    """One task's copy.

    found, expected:  usable clips, and those of a complete copy; coverage: their ratio, min_coverage: asked for
    waiting:          how many of the quarantined clips ffmpeg could read, were it installed
    clipped, lacking: the worst first; quiet: the quietest first
    lacking:          usable clips that hold less than their headers promise, by so little that they count as whole
    rates, channels:  usable clips by the rate in Hz (of images by the shorter side in pixels), and by the number of
                      channels, of their files; decoders: by what decoded them
    seconds:          of a clip, 0 of an image; clipped, quiet, short, lacking, durations: of audio alone
    store_bytes:      of the decoded samples; digest: the store's
    known:            of a multi-label task the share of its entries (a clip and a class) of which the usable clips know
                      whether the label is there; None where all labels are
    untaught:         what is tested and training clips cannot teach, a line a kind
    remarks:          what the reader found out about this copy; pitfalls: what is known of the dataset everywhere
    problem:          why the task cannot be scored, in one line; "" where it can
    """

    task: str
    title: str
    protocol: str
    modality: str
    seconds: float
    root: str
    part_kind: str
    found: int
    expected: int
    coverage: float
    min_coverage: float
    parts: tuple[PartCount, ...]
    classes: tuple[Class, ...]
    quarantined: tuple[Fault, ...]
    waiting: int
    leaks: Leaks
    known: float | None
    untaught: tuple[str, ...]
    clipped: tuple[Clipped, ...]
    quiet: tuple[Quiet, ...]
    short: tuple[Short, ...]
    lacking: tuple[Short, ...]
    durations: Durations | None
    rates: dict[int, int]
    channels: dict[int, int]
    decoders: dict[str, int]
    store: str
    store_rate: int
    store_bytes: int
    digest: str
    remarks: tuple[str, ...]
    pitfalls: tuple[str, ...]
    problem: str
