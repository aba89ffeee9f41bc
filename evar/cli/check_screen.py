"""A check's report as one screen for people: a table of clips by class and part, then a line or a few a finding.

Lines are at most `width` characters wide. What moves a cursor is a mark.
"""

import math
import statistics
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from evar.base.byte_size import size
from evar.base.errors import counted, few, printable
from evar.data import ffmpeg
from evar.data.audio import QUIET_PEAK
from evar.data.check import CLIPPED_SHARE
from evar.data.opening import resized
from evar.data.promised import SHORT_SECONDS
from evar.data.report import Class, Durations, Report
from evar.near_duplicates.record import NearDuplicates

LABEL_CHARACTERS = 17  # of the column of headings
ROWS = 12  # classes that get a row each
NAMES = 60  # classes that are named; of more, only the extremes are
FEW = 3  # examples of each finding
REASONS = 4  # of quarantine, one fewer where it also says what to do

Value = TypeVar("Value")


def screen(report: Report, near: NearDuplicates | None, width: int) -> str:
    """The whole report in lines of at most `width` characters."""
    images, noun = report.modality == "image", _noun(report)
    what = f"{report.title}, {report.protocol}, {'' if images else f'{report.seconds:g} s '}{noun}, in {report.root}"
    lines = [
        *textwrap.wrap(f"{printable(report.task)}  {printable(what)}", width, break_on_hyphens=False),
        f"{report.found:,} of {report.expected:,} {noun} ({report.coverage:.1%}) in {len(report.classes):,} classes",
        "",
        *_counts(report, width),
        "",
    ]
    before = ""
    for heading, text in _findings(report, near):
        lines += _finding("" if heading == before else heading, text, width)
        before = heading
    return "\n".join(line if len(line) <= width else line[: width - 1] + "…" for line in lines)


def _findings(report: Report, near: NearDuplicates | None) -> list[tuple[str, str]]:
    """(heading, text) of everything below the counts."""
    leaks, images = report.leaks.texts, report.modality == "image"
    rate = f"{report.store_rate} x {report.store_rate} pixels" if images else f"{report.store_rate:,} Hz"
    alone = f"every {_noun(report).removesuffix('s')} is its own"
    return [
        *(("quarantined", text) for text in _quarantined(report)),
        ("duplicates", leaks["duplicates"]),
        *([] if images else [("near-duplicates", near.text if near else "not looked for, --near-duplicates does")]),
        ("groups", alone if report.leaks.groups == report.found else leaks["groups"]),
        *(("known", text) for text in _known(report)),
        *(("untaught", text) for text in report.untaught),
        *(_of_images(report) if images else _of_audio(report)),
        ("files", _files(report)),
        ("store", f"{size(report.store_bytes)} at {rate}, digest {report.digest[:12]}, in {report.store}"),
        *(("remarks", remark) for remark in report.remarks),
        *(("pitfalls", pitfall) for pitfall in report.pitfalls),
        ("verdict", f"cannot be scored: {report.problem}" if report.problem else "can be scored"),
    ]


def _of_audio(report: Report) -> list[tuple[str, str]]:
    return [
        ("silent", report.leaks.texts["silent"]),
        ("clipped", _clipped(report)),
        *(("quiet", text) for text in _quiet(report)),
        ("short", _short(report)),
        *(("short", text) for text in _lacking(report)),
        ("durations", _durations(report.durations)),
    ]


def _of_images(report: Report) -> list[tuple[str, str]]:
    sides = list(Counter(report.rates).elements())
    if not sides:
        return [("blank", report.leaks.texts["silent"]), ("sizes", "no usable images")]
    enlarged = sum(side < resized(report.store_rate) for side in sides)
    return [
        ("blank", report.leaks.texts["silent"]),
        ("sizes", f"shorter sides of {min(sides):,} pixels (smallest), {statistics.median(sides):,.0f} (median), "
                  f"{max(sides):,} (largest); {enlarged:,} images are enlarged"),
    ]  # fmt: skip


def _noun(report: Report) -> str:
    return "images" if report.modality == "image" else "clips"


def _finding(heading: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=heading.ljust(LABEL_CHARACTERS),
        subsequent_indent=" " * LABEL_CHARACTERS,
        break_on_hyphens=False,
    )


def _counts(report: Report, width: int) -> list[str]:
    """Clips found, by class and part, beside what a complete copy has: of a class `3/4`, of a part in the last row."""
    named = len(report.classes) <= ROWS
    lines = [
        [report.part_kind, *(part.name for part in report.parts), "all"],
        *([printable(each.name), *_numbers(each.found), _all(each)] for each in report.classes if named),
        ["found", *_numbers([part.found for part in report.parts]), f"{report.found:,}"],
        ["expected", *_numbers([part.expected or part.listed for part in report.parts]), f"{report.expected:,}"],
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    return aligned if named else [*aligned, "", *_finding("classes", _many(report.classes), width)]


def _numbers(counts: Sequence[int]) -> list[str]:
    return [f"{count:,}" for count in counts]


def _all(each: Class) -> str:
    return _of(sum(each.found), each.expected or sum(each.listed))


def _of(found: int, listed: int) -> str:
    return f"{found:,}" if found == listed else f"{found:,}/{listed:,}"


def _many(classes: Sequence[Class]) -> str:
    """Every class with its count, or where they are very many the extremes."""
    if len(classes) <= NAMES:
        return ", ".join(f"{each.name} {_all(each)}" for each in classes)
    ranked = sorted(classes, key=lambda each: sum(each.found))
    counts = [sum(each.found) for each in ranked]
    fewest = ", ".join(f"{each.name} {sum(each.found):,}" for each in ranked[:FEW])
    most = ", ".join(f"{each.name} {sum(each.found):,}" for each in ranked[: -FEW - 1 : -1])
    absent = sum(1 for each in classes if 0 in each.found)
    return (
        f"{len(classes):,}, median {statistics.median(counts):,.0f} clips; fewest: {fewest}; most: {most}; "
        f"{absent:,} classes lack clips in some part"
    )


def _quarantined(report: Report) -> list[str]:
    if not report.quarantined:
        return ["none"]
    most = REASONS - 1 if report.waiting else REASONS
    lines = [f"{len(fault.paths):,}: {fault.reason}: {few(fault.paths, FEW)}"
             for fault in report.quarantined[:most]]  # fmt: skip
    if rest := report.quarantined[most:]:
        lines.append(f"{sum(len(fault.paths) for fault in rest):,} for {len(rest)} more reasons (all with --json)")
    return [*lines, ffmpeg.advice(report.waiting)] if report.waiting else lines


def _known(report: Report) -> list[str]:
    if report.known is None:
        return []
    entries = report.found * len(report.classes)
    return [f"{report.known:.1%} of {entries:,} labels (a clip and a class); the others neither teach nor score"]


def _some(paths: Sequence[str], what: str) -> str:
    return f"{counted(len(paths), 'clip')} {what}: {few(paths, FEW)}" if paths else "none"


def _clipped(report: Report) -> str:
    worst = [f"{each.path} ({each.share:.1%})" for each in report.clipped]
    return _some(worst, f"with over {CLIPPED_SHARE:.1%} of the samples at full scale, worst first")


def _quiet(report: Report) -> list[str]:
    quietest = [f"{each.path} ({20 * math.log10(each.peak):.0f} dB)" for each in report.quiet]
    return [_some(quietest, f"below {20 * math.log10(QUIET_PEAK):.0f} dB of full scale")] if quietest else []


def _lacking(report: Report) -> list[str]:
    clips = [f"{each.path} ({1000 * (each.promised - each.duration):.0f} ms)" for each in report.lacking]
    return [_some(clips, "a little short by their headers")] if clips else []


def _short(report: Report) -> str:
    clips = [f"{each.path} ({each.duration:.1f} of {each.promised:.1f} s)" for each in report.short]
    return _some(clips, f"over {SHORT_SECONDS:g} s shorter than the table promises")


def _durations(durations: Durations | None) -> str:
    if durations is None:
        return "no usable clips"
    return (
        f"{durations.shortest:.2f} s shortest, {durations.median:.2f} s median, {durations.longest:.2f} s longest, "
        f"{durations.total / 3600:,.1f} h in all"
    )


def _files(report: Report) -> str:
    if not report.found:
        return "none usable"
    if report.modality == "image":
        return _tally(report.channels, lambda count: f"of {counted(count, 'channel')}")
    rates = _tally(report.rates, lambda rate: f"at {rate:,} Hz")
    channels = _tally(report.channels, lambda count: "mono" if count == 1 else f"of {count} channels")
    others = {name: clips for name, clips in report.decoders.items() if name != "soundfile"}
    return "; ".join([rates, channels, *([_tally(others, lambda name: f"by {name}")] if others else [])])


def _tally(counts: dict[Value, int], name: Callable[[Value], str]) -> str:
    return ", ".join(f"{clips:,} {name(value)}" for value, clips in counts.items())
