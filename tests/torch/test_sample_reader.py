"""SampleReader is a well-behaved file."""

import io
import zipfile
from pathlib import Path

import pytest

import s3dlio_core
from s3dlio_torch import SampleReader


@pytest.fixture
def reader(tmp_path: Path) -> SampleReader:
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    return SampleReader(s3dlio_core.get(f"file://{tmp_path}/a.bin"), "bucket", "a.bin")


def test_reads_and_seeks_like_a_file(reader: SampleReader) -> None:
    assert reader.read(3) == b"012"
    assert reader.tell() == 3
    assert reader.seek(-2, io.SEEK_END) == 8
    assert reader.read() == b"89"
    assert reader.read() == b""
    assert reader.seek(99) == 99
    assert reader.read() == b""
    target = bytearray(4)
    reader.seek(2)
    assert reader.readinto(target) == 4
    assert target == b"2345"


def test_bad_seeks_are_refused(reader: SampleReader) -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        reader.seek(-1)
    with pytest.raises(ValueError, match="whence is 7"):
        reader.seek(0, 7)


def test_libraries_that_want_a_file_take_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.txt", "hello")
    data = s3dlio_core.get(f"file://{tmp_path}/a.zip")
    assert zipfile.ZipFile(SampleReader(data, "", "a.zip")).read("x.txt") == b"hello"


def test_the_view_is_the_received_memory(reader: SampleReader) -> None:
    assert bytes(reader.getbuffer()) == b"0123456789"
