"""The head of a safetensors object: which tensors it holds, and where. Knows no framework.

    8 bytes   n, little-endian
    n bytes   JSON: {"__metadata__": {str: str}, name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest  the tensors, row-major, little-endian, one behind the other without gaps; offsets count from here

Anything else is refused: a file that is read differently by two programs is worse than one that is not read.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from s3dlio_core.errors import InvalidArgumentError, RecordError
from s3dlio_core.formats.foreign import named_for_what_it_is

__all__ = [
    "DTYPE_BITS",
    "FIRST_READ",
    "LENGTH_BYTES",
    "SafetensorsHeader",
    "TensorInfo",
    "build_header",
    "header_end",
    "parse_header",
    "read_header",
]

# Ascending by alignment, as the format's own library lays tensors out (widest first).
DTYPE_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
LENGTH_BYTES = 8
FIRST_READ = 128 << 10  # holds the heads of nearly all files
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a safetensors object.

    Attributes:
        dtype: As the format spells it, a key of DTYPE_BITS.
        start: First byte, counted from the object's start.
        end: One past the last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """What a safetensors object holds.

    Attributes:
        tensors: By name, ascending by place.
        metadata: The writer's own words; None where there is no place for them.
        size: Bytes before the first tensor's.
    """

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str] | None
    size: int


def read_header(read: Callable[[int, int], Any], object_size: int, uri: str) -> SafetensorsHeader:
    """Read and check the head of an object, in one read unless it is very large.

    Args:
        read: Gives bytes [start, end) of the object, as any contiguous memory; never asked beyond `object_size`.
        uri: For messages.
    Raises:
        RecordError: It is no safetensors object, or one that contradicts itself; the message names the tensor.
    """
    first = min(object_size, FIRST_READ)
    front = bytes(read(0, first)) if first else b""
    end = header_end(front, object_size, uri)
    if end > first:
        front += bytes(read(first, end))
    return parse_header(front[LENGTH_BYTES:end], object_size, uri)


def header_end(front: bytes, object_size: int, uri: str) -> int:
    """Where the head ends, told by an object's first bytes.

    Raises:
        RecordError: It would be too large, or end beyond the object.
    """
    if object_size < LENGTH_BYTES:
        message = f"{object_size} bytes; expected at least {LENGTH_BYTES}: cut short, or no safetensors object"
        _refuse(uri, message + named_for_what_it_is(uri, front))
    length = int.from_bytes(front[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        message = f"the head claims {length} bytes; at most {MAX_HEADER_BYTES} are allowed: no safetensors object?"
        _refuse(uri, message + named_for_what_it_is(uri, front))
    end = LENGTH_BYTES + length
    if end > object_size:
        message = f"the head claims to end at byte {end}, the object ends at {object_size}: cut short, or none"
        _refuse(uri, message + named_for_what_it_is(uri, front))
    return end


def parse_header(text: bytes, object_size: int, uri: str) -> SafetensorsHeader:
    """Check the JSON part of a head against the object's size.

    Raises:
        RecordError: As read_header.
    """
    size = LENGTH_BYTES + len(text)
    entries = _parse_json(text, uri)
    metadata = _metadata_of(entries.pop("__metadata__", None), uri)
    tensors = sorted((_tensor_of(name, entry, size, uri) for name, entry in entries.items()), key=_place)
    expected = size
    for tensor in tensors:
        if tensor.start != expected:
            what = "overlaps the tensor before it" if tensor.start < expected else "leaves a gap before it"
            _refuse(uri, f'tensor "{tensor.name}" starts at byte {tensor.start} and {what}; expected byte {expected}')
        expected = tensor.end
    if expected != object_size:
        likely = "it was cut short" if expected > object_size else "something was appended"
        _refuse(uri, f"the tensors end at byte {expected}, the object at {object_size}; {likely}")
    return SafetensorsHeader({tensor.name: tensor for tensor in tensors}, metadata, size)


def build_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str] | None, uri: str
) -> tuple[bytes, SafetensorsHeader]:
    """The head for tensors given as (name, dtype, shape): its bytes, with the length before them, and what it says.

    Tensors are placed by dtype, the widest first, then by name, so each is aligned to its elements.

    Raises:
        InvalidArgumentError: A name twice, or "__metadata__"; metadata that is not str to str.
    """
    entries: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(word, str) for pair in metadata.items() for word in pair):
            _reject(uri, "metadata must be str to str")
        entries["__metadata__"] = dict(metadata)
    rank = {dtype: number for number, dtype in enumerate(DTYPE_BITS)}
    offset = 0
    placed: list[TensorInfo] = []
    for name, dtype, shape in sorted(tensors, key=lambda tensor: (-rank[tensor[1]], tensor[0])):
        if name in entries or name == "__metadata__":
            _reject(uri, f'a tensor named "{name}" cannot be stored: the name is taken')
        bits = math.prod(shape) * DTYPE_BITS[dtype]
        if bits % 8:
            _reject(uri, f'tensor "{name}" of {dtype} {list(shape)} does not fill whole bytes')
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + bits // 8]}
        placed.append(TensorInfo(name, dtype, shape, offset, offset + bits // 8))
        offset += bits // 8
    text = _encoded(entries, uri)
    size = LENGTH_BYTES + len(text)
    tensors_by_name = {t.name: TensorInfo(t.name, t.dtype, t.shape, size + t.start, size + t.end) for t in placed}
    header = SafetensorsHeader(tensors_by_name, None if metadata is None else dict(metadata), size)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text, header


def _encoded(entries: dict[str, Any], uri: str) -> bytes:
    try:
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        _reject(uri, f"a name or a word of the metadata is no valid text: {error}")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        _reject(uri, f"the head would have {len(text)} bytes; the format allows {MAX_HEADER_BYTES}")
    return text


def _place(tensor: TensorInfo) -> tuple[int, int]:
    return tensor.start, tensor.end


def _parse_json(text: bytes, uri: str) -> dict[str, Any]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) != len(pairs):
            times = Counter(name for name, _ in pairs)
            twice = next(name for name, count in times.items() if count > 1)
            _refuse(uri, f'the head has "{twice}" twice')
        return entries

    if not text.startswith(b"{"):
        _refuse(uri, f"the head begins with {text[:8]!r}; expected a JSON object: no safetensors object?")
    try:
        entries = json.loads(text.decode(), object_pairs_hook=without_duplicates)
    except RecordError:
        raise
    except (ValueError, RecursionError) as error:
        _refuse(uri, f"the head is no JSON: {error}", error)
    assert isinstance(entries, dict)  # it began with a brace
    return entries


def _metadata_of(stored: Any, uri: str) -> dict[str, str] | None:
    if stored is None:
        return None
    if not isinstance(stored, dict) or not all(isinstance(word, str) for word in stored.values()):
        _refuse(uri, '"__metadata__" is not str to str')
    return stored


def _tensor_of(name: str, entry: Any, header_size: int, uri: str) -> TensorInfo:
    where = f'tensor "{name}"'
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        _refuse(uri, f"{where} is described by {str(entry)[:80]}; expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        _refuse(uri, f"{where} has the dtype {str(dtype)[:40]!r}; known are {', '.join(DTYPE_BITS)}")
    if not _are_sizes(shape):
        _refuse(uri, f"{where} has the shape {str(shape)[:80]}; expected a list of integers from 0")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[1] < offsets[0]:
        _refuse(uri, f"{where} has the offsets {str(offsets)[:80]}; expected [start, end]")
    elements = 1
    for extent in shape:  # told at the first that is too many: the product of all that a head can hold takes for ever
        elements *= extent or 1
        if elements >= _LARGEST:
            _refuse(uri, f"{where} has the shape {str(shape)[:80]}, which no memory holds")
    bits, stored = math.prod(shape) * DTYPE_BITS[dtype], 8 * (offsets[1] - offsets[0])
    if bits != stored:
        _refuse(uri, f"{where} of {dtype} {shape} needs {bits} bits; its offsets {offsets} hold {stored}")
    return TensorInfo(name, dtype, tuple(shape), header_size + offsets[0], header_size + offsets[1])


def _are_sizes(value: Any) -> bool:
    # type(), not isinstance(): True is no extent.
    return isinstance(value, list) and all(type(item) is int and 0 <= item < _LARGEST for item in value)


def _refuse(uri: str, message: str, cause: Exception | None = None) -> NoReturn:
    raise RecordError(message, operation="read safetensors", uri=uri) from cause


def _reject(uri: str, message: str) -> NoReturn:
    raise InvalidArgumentError(message, operation="write safetensors", uri=uri)
