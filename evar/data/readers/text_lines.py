"""Official lists as text files, a clip a line."""

from pathlib import Path

from evar.base.errors import DataError


def read_lines(file: Path) -> list[tuple[int, str]]:
    """(number from 1, text without outer blanks) of each line that holds anything. Raises DataError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text (byte {error.start})") from error
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in lines if line]
