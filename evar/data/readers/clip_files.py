"""Which files of audio, or of images, lie below a folder, found in one walk, and one file for each clip.

Hidden files and folders (macOS leaves a `._NAME.wav` beside every file) are none. Links to folders are followed, each
folder is entered once, so that links in a circle end. Nothing is opened.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evar.base.errors import few

Key = TypeVar("Key")

ENDINGS = {
    "audio": tuple(
        ".wav .wave .flac .aiff .aif .aifc .au .snd .caf .w64 .sph .nist .ogg .oga .opus .mp3 "
        ".m4a .aac .mp4 .webm .mka .mkv .3gp .wma .amr .wv".split()
    ),
    "image": tuple(".png .tif .tiff .bmp .ppm .pgm .pbm .pnm .webp .jp2 .jpg .jpeg .gif".split()),
}
"""By modality, from the best copy of a clip to the worst. Audio's second line needs ffmpeg; the store says so."""
ANY = (*ENDINGS["audio"], *ENDINGS["image"])


@dataclass(frozen=True)
class Listing:
    """Files below a folder: paths relative to it, with slashes, in rising order; remarks on what was not seen."""

    paths: list[str]
    remarks: tuple[str, ...]


def clip_files(root: Path, modality: str = "audio", *, all_files: bool = False) -> Listing:
    """All files of a modality below `root`, or of "any", by their endings, at any depth; or all files."""
    endings = None if all_files else ENDINGS.get(modality, ANY)
    paths, closed = [], []
    folders = [("", os.path.realpath(root))]
    linked: list[tuple[str, str]] = []
    entered: set[str] = set()
    while folders or linked:
        prefix, real = folders.pop() if folders else linked.pop(0)  # links last: a folder's own path is the better
        if real in entered:
            continue
        entered.add(real)
        try:
            with os.scandir(real) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            closed.append(f"{prefix or root} ({error.strerror})")
            continue
        for entry in visible:
            if entry.name.lower().endswith(endings) if endings else entry.is_file():
                paths.append(prefix + entry.name)
            elif entry.is_dir(follow_symlinks=False):
                folders.append((f"{prefix}{entry.name}/", f"{real}/{entry.name}"))
            elif entry.is_symlink() and entry.is_dir():
                linked.append((f"{prefix}{entry.name}/", os.path.realpath(entry.path)))
    return Listing(sorted(paths), (f"folders that cannot be listed: {few(sorted(closed))}",) if closed else ())


def one_each(paths: Iterable[str], key: Callable[[str], Key | None]) -> tuple[dict[Key, str], tuple[str, ...]]:
    """For each `key` of a path one path, and a remark where there are several; paths whose key is None are left out.

    The best ending is taken, then the shallowest path, then the first.
    """
    chosen: dict[Key, str] = {}
    several: dict[Key, list[str]] = {}
    for path in paths:
        if (name := key(path)) is not None and (first := chosen.setdefault(name, path)) is not path:
            several.setdefault(name, [first]).append(path)
    chosen |= {name: min(same, key=lambda path: (_rank(path), path.count("/"), path)) for name, same in several.items()}
    if not several:
        return chosen, ()
    taken = few(sorted(chosen[name] for name in several))
    return chosen, (f"{len(several):,} clips lie there more than once; the ones read are {taken}",)


def _rank(path: str) -> int:
    return ANY.index(os.path.splitext(path)[1].lower())  # noqa: PTH122  as many as clips
