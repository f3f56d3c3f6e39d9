"""What one tensor looks like after `torch.save`: where its payload lies in the archive, without unpickling anything."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from s3dlio_core.checkpoint.dtypes import ITEM_SIZES
from s3dlio_core.checkpoint.zip_records import ArchiveDamaged, Ends, Record, UnusualArchive, read_records

__all__ = ["TensorArchive", "check_archive", "read_tensor_archive"]

# Pickles of one plain tensor, byte for byte: torch writes no others for a tensor that a checkpoint holds.
_INT = rb"(?:K.|M..|J.{4}|\x8a\x00|" + b"|".join(b"\\x8a\\x%02x.{%d}" % (n, n) for n in range(1, 9)) + rb")"
_TUPLE = rb"(\)|%b\x85q.|%b{2}\x86q.|%b{3}\x87q.|\(%b{4,64}tq.)" % (_INT, _INT, _INT, _INT)
_TEXT = rb"X(.{4})([ -~]{1,64}?)q."
_PICKLE = re.compile(
    rb"\x80\x02ctorch\._utils\n_rebuild_tensor_v([23])\nq.\(\(X\x07\x00\x00\x00storageq."
    rb"c(torch\n[A-Za-z0-9]+Storage|torch\.storage\nUntypedStorage)\nq." + _TEXT + _TEXT + rb"(" + _INT + rb")tq.Q"
    rb"(" + _INT + rb")" + _TUPLE + _TUPLE + rb"[\x88\x89]ccollections\nOrderedDict\nq.\)Rq."
    rb"(?:ctorch\n([a-z0-9_]+)\nq.)?tq.Rq.\.",
    re.DOTALL,
)
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}


@dataclass(frozen=True, slots=True)
class TensorArchive:
    """One tensor in an archive, without gaps between its elements.

    Attributes:
        payload_offset: First payload byte, counted from the archive's start.
        nbytes: Bytes of the payload.
        dtype: As torch spells it without "torch.": "bfloat16".
        shape: Of the tensor.
        order: Its dimensions from the slowest in memory to the fastest: (0, 1) is row-major, (1, 0) column-major.
        crc: CRC-32 of the payload; None where torch was told to compute none.
    """

    payload_offset: int
    nbytes: int
    dtype: str
    shape: tuple[int, ...]
    order: tuple[int, ...]
    crc: int | None


def check_archive(data: Any) -> None:
    """Compare every record of a whole archive with its CRC-32, and the archive with itself.

    Raises:
        ArchiveDamaged: They differ.
        UnusualArchive: It is no archive of stored records, so there is nothing to compare with.
    """
    view = memoryview(data).cast("B")
    read_records(Ends(view, view[:0], len(view)))


def read_tensor_archive(head: Any, tail: Any, size: int) -> TensorArchive:
    """The tensor in an archive of `size` bytes, of which the first and last ones are at hand.

    Raises:
        ArchiveDamaged: The archive contradicts itself.
        UnusualArchive: It holds something else than one tensor without gaps, or too little of it is at hand.
    """
    ends = Ends(head, tail, size)
    records = read_records(ends)
    by_name = {record.name.partition("/")[2]: record for record in records}
    payloads = [record for record in records if record.name.partition("/")[2].startswith("data/")]
    if len(by_name) != len(records) or len(payloads) != 1 or "data.pkl" not in by_name:
        raise UnusualArchive("it does not hold one storage")
    endian = by_name.get("byteorder")
    if endian is not None and bytes(ends.at(endian.start, endian.size)) != b"little":
        raise UnusualArchive("its bytes are not in little-endian order")
    pickled = by_name["data.pkl"]
    payload = payloads[0]
    dtype, shape, order = _tensor_of(bytes(ends.at(pickled.start, pickled.size)), payload)
    crc = payload.crc if any(record.crc for record in records) else None
    return TensorArchive(payload.start, payload.size, dtype, shape, order, crc)


def _tensor_of(pickled: bytes, payload: Record) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    match = _PICKLE.fullmatch(pickled)
    if match is None:
        raise UnusualArchive("its pickle is not that of one plain tensor")
    version, storage, key_size, key, place_size, place, count, offset, size, stride, dtype_name = match.groups()
    if int.from_bytes(key_size, "little") != len(key) or int.from_bytes(place_size, "little") != len(place):
        raise UnusualArchive("a text in its pickle has another length")
    if payload.name.partition("/")[2] != f"data/{key.decode()}":
        raise ArchiveDamaged("the archive is damaged: its pickle names a storage that is not there")
    shape, strides = tuple(_integers(size)), tuple(_integers(stride))
    dtype = _dtype_of(storage.decode().rpartition("\n")[2], version, dtype_name)
    itemsize = ITEM_SIZES[dtype]
    elements = _integers(count)[0] if version == b"2" else _integers(count)[0] // itemsize
    nbytes = math.prod(shape) * itemsize
    order = _order_in_memory(shape, strides)
    if order is None or _integers(offset) != [0] or not nbytes == payload.size == elements * itemsize:
        raise UnusualArchive("it has gaps between its elements, or is part of a larger storage")
    return dtype, shape, order


def _dtype_of(storage: str, version: bytes, name: bytes | None) -> str:
    if version == b"2" and name is None and storage in _STORAGES:
        return _STORAGES[storage]
    found = name.decode() if version == b"3" and name and storage == "UntypedStorage" else ""
    if found not in ITEM_SIZES:
        raise UnusualArchive(f"its storage is of the unknown kind {storage}")
    return found


def _integers(tokens: bytes) -> list[int]:
    """The integers in a run of pickled integers, tuple opcodes passed by."""
    found = []
    position = 0
    while position < len(tokens):
        opcode = tokens[position : position + 1]
        sizes = {b"K": 1, b"M": 2, b"J": 4}
        if opcode == b"\x8a":
            size, start = tokens[position + 1], position + 2
        elif opcode in sizes:
            size, start = sizes[opcode], position + 1
        elif opcode in b"()":
            position += 1
            continue
        else:  # the tuple's end and its place in the memo
            break
        piece = tokens[start : start + size]
        found.append(int.from_bytes(piece, "little", signed=opcode in (b"J", b"\x8a")))
        position = start + size
    return found


def _order_in_memory(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """The dimensions from the slowest to the fastest; None: elements have gaps between them or overlap."""
    if len(shape) != len(strides) or min(shape, default=0) < 0:
        return None
    # A dimension of one element may have any stride; it goes to the front, where it does not matter.
    order = sorted(range(len(shape)), key=lambda dimension: (shape[dimension] != 1, -strides[dimension]))
    expected = 1
    for dimension in reversed(order):
        if 0 not in shape and shape[dimension] != 1 and strides[dimension] != expected:
            return None
        expected *= shape[dimension]
    return tuple(order)
