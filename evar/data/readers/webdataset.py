"""`webdataset`: tars (shards) whose members KEY.flac (or .jpg), KEY.cls or KEY.json or KEY.txt are one clip.

Nothing is unpacked. A tar's name says its split (train-000003.tar), or the option `splits` does.
Layout: https://github.com/webdataset/webdataset; the key is a member's name up to its first dot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evar.data.readers.clip_files import clip_files
from evar.data.readers.contract import Reader
from evar.data.readers.hub import HubReader, Splits, check_parts
from evar.data.readers.hub_layout import Card, Layout, find_layout
from evar.data.readers.shards import Columns


def open_reader(
    splits: Splits | None = None,
    label: str | None = None,
    group: str | None = None,
    fold: str | None = None,
    without: list[str] | None = None,
    separator: str | None = None,
) -> Reader:
    """See docs/datasets.md.

    splits: {part: a pattern of tars, or several}, or the one pattern that folds are made of; None where names say it.
    label, group, fold: "cls", "txt", or a key of the JSON. without, separator: as of the reader `hub`.
    """
    check_parts(splits, "webdataset")
    patterns = {"": splits} if isinstance(splits, str) else splits
    columns = Columns(None, None, label, group, fold, separator)
    return WebDataset(columns=columns, without=tuple(without or ()), patterns=patterns)


@dataclass(frozen=True)
class WebDataset(HubReader):
    """Reads tars alone. patterns: of the tars of each part."""

    patterns: Mapping[str, str | list[str]] | None = None
    endings = (".tar",)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """Tars."""
        return "tars"

    def layout(self, root: Path) -> Layout:
        tars = [path for path in clip_files(root, all_files=True).paths if path.lower().endswith(".tar")]
        listed = [{"split": part or "train", "path": given} for part, given in (self.patterns or {}).items()]
        card = Card({"configs": [{"config_name": "default", "data_files": listed}]}) if listed else Card()
        return find_layout(tars, card, None, str(root))
