"""One share of a plan's blocks: share i of n takes the blocks i, i + n, i + 2n, ... and keeps a log of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from evar.base.errors import EvarError, UsageError


class Unfinished(EvarError):
    """A share is done, and the embeddings are not whole yet: nothing is wrong, and there is no row yet."""


@dataclass(frozen=True)
class Share:
    """Part `index` (from 0) of `count` equal parts of the blocks."""

    index: int
    count: int

    def of(self, blocks: Sequence[int]) -> list[int]:
        """The blocks that this share computes."""
        return [block for block in blocks if block % self.count == self.index]

    @property
    def log(self) -> str:
        """Name of its log of finished blocks."""
        return f"blocks-{self.index + 1}-of-{self.count}.csv"


def parse_share(text: str) -> Share:
    """The share that "2/4" means. Raises UsageError for anything else than i/n with 1 <= i <= n."""
    index, slash, count = text.partition("/")
    digits = all(part.isascii() and part.isdigit() for part in (index, count))
    if not slash or not digits or not 1 <= int(index) <= int(count):
        raise UsageError(f"a share is given as i/n with i from 1 to n, such as 2/4, not {text!r}")
    return Share(int(index) - 1, int(count))
