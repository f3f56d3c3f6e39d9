"""Archives around a payload written by somebody else: valid zip, at every size where its format changes."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from s3dlio_core.checkpoint.zip_archive import StoredArchive

RECORDS = [("archive/data.pkl", b"pickled" * 31), ("archive/version", b"3\n")]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4097])
@pytest.mark.parametrize("name", ["archive/data/0", "a", "b" * 61, "c" * 62, "d" * 63, "e" * 64])
def test_a_zip_that_others_read(size: int, name: str) -> None:
    payload = bytes(range(256)) * 17
    payload = payload[:size]
    archive = StoredArchive.around(RECORDS, name, size)
    assert len(archive.head) % 64 == 0
    tail = archive.tail(zlib.crc32(payload))
    assert len(tail) == archive.tail_size
    read = zipfile.ZipFile(io.BytesIO(archive.head + payload + tail))
    assert read.testzip() is None
    assert [(info.filename, read.read(info)) for info in read.infolist()] == [*RECORDS, (name, payload)]


def test_a_wrong_checksum_shows() -> None:
    archive = StoredArchive.around(RECORDS, "data", 3)
    read = zipfile.ZipFile(io.BytesIO(archive.head + b"abc" + archive.tail(zlib.crc32(b"abd"))))
    assert read.testzip() == "data"


class Sparse(io.RawIOBase):
    """Head, gigabytes of zeros, tail; held as what it says."""

    def __init__(self, head: bytes, zeros: int, tail: bytes) -> None:
        self.parts = (head, zeros, tail)
        self.size = len(head) + zeros + len(tail)
        self.position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.size, self.position + size)
        assert end - self.position < 1 << 20, "only the ends are read"
        head, zeros, tail = self.parts
        found = bytearray()
        for at in range(self.position, end):
            behind = at - len(head) - zeros
            found.append(head[at] if at < len(head) else tail[behind] if behind >= 0 else 0)
        self.position = end
        return bytes(found)


@pytest.mark.parametrize("size", [0xFFFFFFFF - 1, 0xFFFFFFFF, 0xFFFFFFFF + 1, 5 << 30, 0xFFFFFFFF - 700])
def test_payloads_of_four_gibibytes(size: int) -> None:
    archive = StoredArchive.around(RECORDS, "archive/data/0", size)
    assert len(archive.head) % 64 == 0
    read = zipfile.ZipFile(Sparse(archive.head, size, archive.tail(0x12345678)))  # type: ignore[arg-type]
    found = read.getinfo("archive/data/0")
    assert (found.file_size, found.compress_size, found.CRC) == (size, size, 0x12345678)
    assert read.read("archive/version") == b"3\n"
    with read.open("archive/data/0") as payload:
        assert payload.read(100) == bytes(100)
