"""The reader's windows. (That it reads like a file: tests/conformance.)"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3dlio_core import InvalidArgumentError, ObjectReader, PreconditionError, Store, open_store

SIZE = 3_000_001
DATA = random.Random(1).randbytes(SIZE)


class CountingReader(ObjectReader):
    """Counts what is fetched ahead and what goes straight to the caller."""

    windows = 0
    straight = 0

    def _fetch(self, start: int):  # type: ignore[no-untyped-def]
        self.windows += 1
        return super()._fetch(start)

    def _straight(self, target: memoryview) -> int:
        self.straight += 1
        return super()._straight(target)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"file://{tmp_path}") as opened:
        opened.put("r", DATA)
        yield opened


def reader_of(store: Store, read_ahead_bytes: int = 1 << 20) -> CountingReader:
    return CountingReader(store, "r", version_id=None, read_ahead_bytes=read_ahead_bytes)


def test_sequential_reads_share_growing_windows(store: Store) -> None:
    with reader_of(store) as reader:
        got = b"".join(iter(lambda: reader.read(1000), b""))
    assert got == DATA
    assert reader.windows <= 6, "256 KiB, 512 KiB, then 1 MiB each"


def test_large_reads_go_straight_to_the_caller(store: Store) -> None:
    with reader_of(store) as reader:
        out = bytearray(2 << 20)
        assert reader.readinto(out) == len(out)
    assert out == DATA[: len(out)]
    assert (reader.windows, reader.straight) == (0, 1)


@pytest.mark.parametrize("read_ahead_bytes", [0, 1, 1000, 1 << 20])
def test_any_sequence_of_seeks_and_reads(store: Store, read_ahead_bytes: int) -> None:
    dice = random.Random(read_ahead_bytes)
    with reader_of(store, read_ahead_bytes) as reader:
        for _ in range(150):
            if dice.random() < 0.5:
                reader.seek(dice.randrange(SIZE + 1000))
            at = reader.tell()
            size = dice.choice([0, 1, 100, 5000, 300_000, 2_000_000])
            assert reader.read(size) == DATA[at : at + size]
            assert reader.tell() == max(at, min(at + size, SIZE))


def test_random_reads_do_not_fetch_far(store: Store) -> None:
    with reader_of(store) as reader:
        for at in (2_000_000, 10, 1_000_000, 2_900_000, 500_000):
            reader.seek(at)
            assert reader.read(10) == DATA[at : at + 10]
    assert reader._window_size <= 256 << 10


def test_replaced_object_is_not_mixed(store: Store) -> None:
    with reader_of(store) as reader:
        assert reader.read(10) == DATA[:10]
        store.put("r", DATA[::-1])
        reader.seek(2_500_000)
        with pytest.raises(PreconditionError):
            reader.read(10)


def test_negative_window_is_refused(store: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="read_ahead_bytes"):
        store.open_reader("r", read_ahead_bytes=-1)


def test_closing_takes_back_what_is_on_its_way(store: Store) -> None:
    reader = store.open_reader("r")
    reader.read(1)
    reader.close()
    assert repr(reader) == f"ObjectReader({store.uri_of('r')!r}, closed of {SIZE} bytes)"
