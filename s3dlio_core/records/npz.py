"""NPZ: a zip of arrays; its members are the records."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from s3dlio_core.errors import RecordError, StorageError
from s3dlio_core.records.arrays import array_of
from s3dlio_core.records.format import RecordRange
from s3dlio_core.records.npy import read_npy_header
from s3dlio_core.records.reader import HeadReader

__all__ = ["Npz"]

_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_MAGIC = b"PK\x03\x04"
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}
_ENCRYPTED = 0x1
_MOST_EXPANSION = 1032  # deflate makes nothing larger than by this
_TAIL = 64 << 10
_MOST_INFLATED = 1 << 30
_PIECE = 4 << 10  # of the packed bytes; at most a thousand times as many come of it


class Npz:
    """One zip an object. A decoded record is a numpy array, or, for a member that is no .npy, its bytes.

    Stored members are arrays over the bytes read; deflated ones are inflated, up to 1 GiB. The CRC-32 of each is
    checked.
    """

    name = "npz"
    suffixes = (".npz",)

    def index(self, reader: HeadReader, size: int) -> Iterator[RecordRange]:
        """Reads the central directory and each member's local header."""
        taken = 0
        names: set[str] = set()
        for info in sorted(_directory(reader), key=lambda info: info.header_offset):
            start, end = _place(reader, info)
            if info.header_offset < taken:
                raise RecordError(f"the member {info.filename!r} overlaps the one before it; damaged, or a zip bomb")
            taken = end
            is_array = info.filename.endswith(".npy")
            name = info.filename.removesuffix(".npy")
            if name in names:
                raise RecordError(f"two members are called {name!r}; expected each name once")
            names.add(name)
            kind = "npy" if is_array else "bytes"
            # A range cannot be empty: an empty member has the byte before it, which decode() passes over.
            start = start if start < end else start - 1
            yield RecordRange(start, end, name, f"{_METHODS[info.compress_type]} {kind} {info.file_size} {info.CRC}")

    def decode(self, data: memoryview, name: str, form: str = "") -> Any:
        """The array, or a memoryview of the bytes; over `data` where the member is stored as it is."""
        try:
            method, kind, size_text, crc_text = form.split(" ")
            size, crc = int(size_text), int(crc_text)
        except ValueError:
            raise RecordError(f"the index describes {name!r} as {form[:80]!r}; expected a member of a zip") from None
        contents = _inflated(data, size, name) if method == "deflate" else data[: min(size, len(data))]
        if len(contents) != size:
            raise RecordError(f"the member {name!r} has {len(contents)} bytes; expected {size}; cut short")
        found = zlib.crc32(contents)
        if found != crc:
            raise RecordError(f"the member {name!r} has the CRC-32 {found:#010x}; expected {crc:#010x}; damaged")
        if kind == "bytes":
            return contents
        header = read_npy_header(lambda start, count: contents[start : start + count], size)
        return array_of(contents[header.data_start :], header.form, fortran_order=header.fortran_order)


def _directory(reader: HeadReader) -> list[zipfile.ZipInfo]:
    reader.tail(_TAIL)  # so that the directory of most files comes with one request
    try:
        with reader.as_file() as file, zipfile.ZipFile(file) as archive:
            return [info for info in archive.infolist() if not info.is_dir()]
    except StorageError:
        raise
    except Exception as error:  # whatever damaged bytes make of zipfile: it raises many kinds
        raise RecordError(f"its directory cannot be read ({error}); cut short, damaged, or no zip archive") from error


def _place(reader: HeadReader, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the member's stored bytes lie: [start, end)."""
    where = f"the member {info.filename!r} at byte {info.header_offset}"
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        raise RecordError(f"{where} is encrypted or packed by method {info.compress_type}; expected stored or deflated")
    if info.header_offset + _LOCAL.size > reader.size:
        raise RecordError(f"{where} lies behind the file's end at {reader.size}; cut short")
    magic, *_, name_bytes, extra_bytes = _LOCAL.unpack(reader.at(info.header_offset, _LOCAL.size))
    start = info.header_offset + _LOCAL.size + name_bytes + extra_bytes
    end = start + info.compress_size
    if magic != _LOCAL_MAGIC or end > reader.size:
        raise RecordError(f"{where} has no header there, or ends at {end} of {reader.size} bytes; cut short or damaged")
    most = info.compress_size * (_MOST_EXPANSION if info.compress_type == zipfile.ZIP_DEFLATED else 1)
    if info.file_size > most or (info.compress_type == zipfile.ZIP_STORED and info.file_size != most):
        raise RecordError(f"{where} claims {info.file_size} bytes made of {info.compress_size}; damaged")
    return start, end


def _inflated(data: memoryview, size: int, name: str) -> memoryview:
    # As much as this input can make, whatever the index claims.
    most = min(size, len(data) * _MOST_EXPANSION)
    if most > _MOST_INFLATED:
        found = f"the member {name!r} of {len(data)} bytes becomes {most}; expected at most {_MOST_INFLATED}"
        raise RecordError(f"{found}: store what is larger as it is (numpy.savez)")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    # One piece of memory for all of it; zlib would gather what it makes, and join it at the end.
    contents = memoryview(bytearray(most))
    filled = taken = 0
    try:
        while taken < len(data) and not inflate.eof:
            made = inflate.decompress(data[taken : taken + _PIECE], most - filled + 1)
            taken += _PIECE
            if filled + len(made) > most:
                break
            contents[filled : filled + len(made)] = made
            filled += len(made)
    except zlib.error as error:
        raise RecordError(f"the member {name!r} cannot be inflated: {error}; damaged") from error
    if not inflate.eof or inflate.unused_data or taken < len(data):
        raise RecordError(f"the member {name!r} does not end where the index says; cut short or damaged")
    return contents[:filled].toreadonly()
