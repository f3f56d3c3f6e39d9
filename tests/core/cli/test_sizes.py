from __future__ import annotations

import pytest

from s3dlio_core.cli.sizes import format_rate, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("4096", 4096), ("4_096", 4096), ("4MB", 4_000_000), ("4MiB", 4 << 20), ("4M", 4 << 20),
        ("4mb", 4_000_000),
        ("64k", 65_536), ("64kB", 64_000), ("64 KiB", 65_536), ("1.5GiB", 3 << 29), ("0.5k", 512), ("2Ti", 2 << 40),
        ("7B", 7), ("1PB", 10**15), (" 8 ", 8),
    ],
)  # fmt: skip
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "4 MX", "1e6", "4iB", "1.5", "0.3k", "4MB4", "0x10", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|number of bytes"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1023 << 10, "1.0 MiB"), (4 << 20, "4.0 MiB"),
     (5 << 50, "5.0 PiB"), (5000 << 50, "5000.0 PiB")],
)  # fmt: skip
def test_sizes_are_told(size: int, text: str) -> None:
    assert format_size(size) == text


def test_rates_are_told_even_of_nothing() -> None:
    assert format_rate(4 << 20, 2.0) == "2.0 MiB/s"
    assert format_rate(0, 0.0) == "0 B/s"
