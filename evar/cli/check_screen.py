"""A check's report as one screen for people: a table of clips by class and part, then a line or a few a finding.

Lines are at most `width` characters wide. Names that would break a line are shown as Python literals.
"""

import math
import statistics
import textwrap
from collections.abc import Callable, Sequence

from evar.base.errors import few
from evar.cli.terminal import size
from evar.data.check import CLIPPED_SHARE, SILENT_PEAK
from evar.data.report import Class, Duplicate, Durations, Report, Straddle
from evar.data.store import SHORT_SECONDS
from evar.scoring.leak_list import Leaks

LABEL_CHARACTERS = 13  # of the column of headings
ROWS = 12  # classes that get a row each
NAMES = 60  # classes that are named; of more, only the extremes are
FEW = 3  # examples of each finding
REASONS = 5  # of quarantine


def screen(report: Report, leaks: Leaks, width: int) -> str:
    """The whole report in lines of at most `width` characters."""
    what = (
        f"{report.task}  {shown(report.title)}, {report.protocol}, {report.seconds:g} s clips, in {shown(report.root)}"
    )
    lines = [
        *textwrap.wrap(what, width, break_on_hyphens=False),
        f"{report.found:,} of {report.expected:,} clips ({report.coverage:.1%}) in {len(report.classes):,} classes",
        "",
        *_counts(report, width),
        "",
    ]
    before = ""
    for heading, text in _findings(report, leaks):
        lines += _finding("" if heading == before else heading, text, width)
        before = heading
    return "\n".join(line if len(line) <= width else line[: width - 1] + "…" for line in lines)


def _findings(report: Report, leaks: Leaks) -> list[tuple[str, str]]:
    """(heading, text) of everything below the counts."""
    silence = f"clips below {20 * math.log10(SILENT_PEAK):.0f} dB of full scale"
    store = f"{size(report.store_bytes)} at {report.store_rate:,} Hz, digest {report.digest[:12]}, in "
    return [
        *(("quarantined", text) for text in _quarantined(report)),
        ("duplicates", _duplicates(report)),
        ("copies", _copies(report, leaks)),
        ("groups", _groups(report)),
        ("silent", _some(report.silent, silence)),
        ("clipped", _clipped(report)),
        ("short", _short(report)),
        ("durations", _durations(report.durations)),
        ("files", _files(report)),
        ("store", store + shown(report.store)),
        *(("remarks", remark) for remark in report.remarks),
        *(("pitfalls", pitfall) for pitfall in report.pitfalls),
        ("verdict", f"cannot be scored: {report.problem}" if report.problem else "can be scored"),
    ]


def shown(name: str) -> str:
    """A name on one line: as it is, or as a literal where it holds line breaks or is no text."""
    return name if name.isprintable() else repr(name)


def _finding(heading: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        shown(" ".join(text.split())),
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
        *([shown(each.name), *_numbers(each.found), _all(each)] for each in report.classes if named),
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
        return ", ".join(f"{shown(each.name)} {_all(each)}" for each in classes)
    ranked = sorted(classes, key=lambda each: sum(each.found))
    counts = [sum(each.found) for each in ranked]
    fewest = ", ".join(f"{shown(each.name)} {sum(each.found):,}" for each in ranked[:FEW])
    most = ", ".join(f"{shown(each.name)} {sum(each.found):,}" for each in ranked[: -FEW - 1 : -1])
    absent = sum(1 for each in classes if 0 in each.found)
    return (
        f"{len(classes):,}, median {statistics.median(counts):,.0f} clips; fewest: {fewest}; most: {most}; "
        f"{absent:,} classes lack clips in some part"
    )


def _quarantined(report: Report) -> list[str]:
    if not report.quarantined:
        return ["none"]
    lines = [f"{len(fault.paths):,}: {fault.reason}: {few(map(shown, fault.paths), FEW)}"
             for fault in report.quarantined[:REASONS]]  # fmt: skip
    if rest := report.quarantined[REASONS:]:
        lines.append(f"{sum(len(fault.paths) for fault in rest):,} for {len(rest)} more reasons (all with --json)")
    return lines


def _duplicates(report: Report) -> str:
    if not report.duplicates:
        return "none"
    across = sum(1 for each in report.duplicates if each.across)
    contradicting = sum(1 for each in report.duplicates if each.contradict)
    clips = sum(len(each.paths) for each in report.duplicates)
    return (
        f"{clips:,} clips in {len(report.duplicates):,} sets of equal sound: {across:,} across {report.part_kind}s, "
        f"{contradicting:,} with contradicting labels: {few(map(_duplicate, report.duplicates), FEW)}"
    )


def _duplicate(each: Duplicate) -> str:
    clips = [f"{shown(path)} ({part}{': ' + '; '.join(labels) if each.contradict else ''})"
             for path, part, labels in zip(each.paths, each.parts, each.labels, strict=True)]  # fmt: skip
    return " = ".join([*clips[:FEW], *([f"{len(clips) - FEW:,} more"] if len(clips) > FEW else [])])


def _copies(report: Report, leaks: Leaks) -> str:
    """Near-duplicates: other gain, shift or coding."""
    if not leaks.counts["near_duplicates"]:
        return f"none that differ a little across {report.part_kind}s"
    return (
        f"{leaks.counts['near_duplicates']:,} test clips differ little from a clip in another {report.part_kind}: "
        f"{few(map(str, leaks.examples['near_duplicates']))}; all in {shown(str(leaks.file))}"
    )


def _groups(report: Report) -> str:
    listed = sum(part.listed for part in report.parts)
    kind = "every clip is its own" if report.groups == listed else f"{report.groups:,}"
    if not report.straddling:
        return f"{kind}, none straddles {report.part_kind}s"
    clips = sum(sum(each.clips.values()) for each in report.straddling)
    tested = sum(1 for each in report.straddling if {"train", "test"} <= set(each.clips))
    told = f" ({tested:,} of them train and test)" if report.part_kind == "split" else ""
    return (
        f"{kind}, {len(report.straddling):,} straddle {report.part_kind}s{told}, of {clips:,} clips: "
        f"{few(map(_straddle, report.straddling), FEW)}"
    )


def _straddle(each: Straddle) -> str:
    return f"{shown(each.group)} ({' + '.join(f'{clips} in {part}' for part, clips in each.clips.items())})"


def _some(paths: Sequence[str], what: str) -> str:
    return f"{len(paths):,} {what}: {few(map(shown, paths), FEW)}" if paths else "none"


def _clipped(report: Report) -> str:
    worst = [f"{shown(each.path)} ({each.share:.1%})" for each in report.clipped]
    over = f"clips with over {CLIPPED_SHARE:.1%} of their samples at full scale"
    return f"{len(worst):,} {over}, worst {few(worst, FEW)}" if worst else "none"


def _short(report: Report) -> str:
    clips = [f"{shown(each.path)} ({each.duration:.1f} of {each.promised:.1f} s)" for each in report.short]
    return _some(clips, f"clips are over {SHORT_SECONDS:g} s shorter than the table promises")


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
    rates = _tally(report.rates, lambda rate: f"at {rate:,} Hz")
    return f"{rates}; {_tally(report.channels, lambda count: 'mono' if count == 1 else f'of {count} channels')}"


def _tally(counts: dict[int, int], name: Callable[[int], str]) -> str:
    return ", ".join(f"{clips:,} {name(value)}" for value, clips in counts.items())
