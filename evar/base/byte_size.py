"""Numbers of bytes, for people: written by one rule, and read as they are written."""

import re

UNITS = ("B", "kB", "MB", "GB", "TB")  # each is a thousand of the one before


def size(count: float) -> str:
    """Bytes for people: 12.3 MB."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {UNITS[-1]}"


def read_size(text: str) -> int:
    """Reads a number of bytes: "20GB", "1.5 TB", "500mb", "4096". Raises ValueError with what is right."""
    units = {unit.casefold(): 10.0 ** (3 * power) for power, unit in enumerate(UNITS)}
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *([a-z]*)", text.strip().casefold())
    if found is None or (found[2] or "b") not in units:
        raise ValueError(f"must be bytes, such as 20GB or 500MB ({', '.join(UNITS)}), not {text!r}")
    return round(float(found[1]) * units[found[2] or "b"])
