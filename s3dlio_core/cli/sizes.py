"""Sizes as people write them: 4MB is 4,000,000 bytes, 4MiB and 4M are 4,194,304."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["format_rate", "format_size", "parse_size"]

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_FORM = re.compile(r"(\d[\d_]*(?:\.\d+)?|\.\d+)\s*([kmgtp]?)(i?)(b?)", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes meant by `text`: a number, then kB, MB, ... PB (powers of 1000), or KiB, Ki or k, ... (powers of 1024).

    Raises:
        ValueError: `text` is no size, or not a whole number of bytes.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise ValueError(
            f"'{text}' is no size; expected a number of bytes with or without a unit: 4096, 64k, 4MB, 8MiB"
        )
    base = 1000 if match[4] and not match[3] else 1024
    scale: int = base ** _POWERS[match[2].lower()]
    size = Fraction(match[1].replace("_", "")) * scale
    if size.denominator != 1:
        raise ValueError(f"'{text}' is no whole number of bytes")
    return size.numerator


def format_size(size: float) -> str:
    """`size` bytes for people: "512 B", "4.0 MiB"."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        size /= 1024
        if size < 1000 or unit == "PiB":
            break
    return f"{size:.1f} {unit}"


def format_rate(size: int, seconds: float) -> str:
    """`size` bytes in `seconds`, for people: "1.2 GiB/s"."""
    return f"{format_size(size / max(seconds, 1e-9))}/s"
