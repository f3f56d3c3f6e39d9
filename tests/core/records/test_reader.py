from __future__ import annotations

import io

import pytest

from s3dlio_core import RecordError
from s3dlio_core.records.reader import HeadReader

KIB = 1 << 10
DATA = bytes(range(256)) * (16 * KIB)  # 4 MiB


def test_exactly_what_is_asked_for_wherever_it_lies() -> None:
    reader = HeadReader.over(DATA)
    for start, count in [
        (0, 10),
        (5, 100),
        (3 * KIB * KIB, 7),
        (100, 1),
        (len(DATA) - 3, 3),
        (50, 2 * KIB * KIB),
        (9, 0),
    ]:
        assert bytes(reader.at(start, count)) == DATA[start : start + count]
    assert bytes(reader.tail(4)) == DATA[-4:]
    assert bytes(HeadReader.over(b"ab").tail(100)) == b"ab"


@pytest.mark.parametrize(("start", "count"), [(-1, 2), (0, 11), (10, 1), (1 << 70, 1), (5, -1), (0, 1 << 70)])
def test_what_lies_outside_is_refused(start: int, count: int) -> None:
    reader = HeadReader.over(b"0123456789")
    with pytest.raises(RecordError, match="the object has 10"):
        reader.at(start, count)
    assert reader.requests == 0


def test_windows_grow_while_reads_lie_close_together_and_shrink_with_a_jump() -> None:
    reader = HeadReader.over(DATA)
    sizes = []
    for start in [0, 70 * KIB, 200 * KIB, 460 * KIB, 3 * KIB * KIB, 3 * KIB * KIB + 10, 0]:
        before = reader.bytes_read
        reader.at(start, 4)
        sizes.append((reader.bytes_read - before) // KIB)
    assert sizes == [64, 128, 256, 512, 64, 0, 64]


def test_an_answer_of_another_length_is_refused() -> None:
    with pytest.raises(RecordError, match="found 3 bytes"):
        HeadReader(lambda start, end: b"abc", 100).at(0, 10)


def test_a_description_that_claims_too_much_is_refused() -> None:
    reader = HeadReader(lambda start, end: bytes(end - start), 1 << 40)
    with pytest.raises(RecordError, match="expected at most"):
        reader.at(0, 1 << 35)
    with pytest.raises(RecordError, match="expected at most 100"), reader.as_file(100) as file:
        file.read(101)


def test_as_a_file() -> None:
    with HeadReader.over(DATA).as_file() as file:
        assert file.readable()
        assert file.seekable()
        assert file.seek(-3, io.SEEK_END) == len(DATA) - 3
        assert file.read(10) == DATA[-3:]
        assert file.read(10) == b""
        assert file.seek(100) == file.tell() == 100
        target = bytearray(5)
        assert file.readinto(target) == 5
        assert target == DATA[100:105]
        assert file.seek(-5, io.SEEK_CUR) == 100
        with pytest.raises(ValueError, match="before the start"):
            file.seek(-1)
        assert file.seek(len(DATA) + 10) == len(DATA) + 10
        assert file.read() == b""
