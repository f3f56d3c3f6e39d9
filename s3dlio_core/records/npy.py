"""NPY: one array an object; its rows along axis 0 are the records."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from s3dlio_core.errors import RecordError
from s3dlio_core.records.arrays import ArrayForm, array_of
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.table import RecordTable

if TYPE_CHECKING:
    import numpy

__all__ = ["Npy", "NpyHeader", "read_npy_header"]

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # by version
_MOST_HEADER = 16 << 10  # numpy itself takes 10,000
# The header is a dict literal of exactly these three. Read by pattern: nothing is evaluated.
_PARTS = {
    "descr": r"(?P<descr>'[^']*'|\"[^\"]*\"|\[.*\])",
    "fortran_order": r"(?P<fortran>True|False)",
    "shape": r"\((?P<shape>[0-9L, ]*)\)",
}
_ENTRY = re.compile("|".join(rf"['\"](?P<key_{key}>{key})['\"]\s*:\s*{value}" for key, value in _PARTS.items()), re.S)
_EXTENT = re.compile(r"[0-9]{1,19}L?")


class NpyHeader(NamedTuple):
    """What an NPY file holds, and where its data starts."""

    form: ArrayForm
    fortran_order: bool
    data_start: int


class Npy:
    """One array an object. A decoded record is a numpy array: row i, of shape `shape[1:]`."""

    name = "npy"
    suffixes = (".npy",)

    def index(self, reader: HeadReader, size: int) -> RecordTable:
        """Reads the header only."""
        header = read_npy_header(reader.at, size)
        if header.fortran_order:
            raise RecordError("the array is stored column by column (Fortran order), so a row is no range of bytes; "
                              "save numpy.ascontiguousarray(array)")  # fmt: skip
        if not header.form.shape:
            raise RecordError("the array has no dimension, so it has no rows; expected at least one")
        count, *rest = header.form.shape
        row = ArrayForm(header.form.dtype, tuple(rest))
        if count and not row.nbytes:
            raise RecordError(f"the rows of an array of shape {header.form.shape} are empty; expected bytes to read")
        return RecordTable.even(header.data_start, row.nbytes, count, str(row))

    def decode(self, data: memoryview, name: str, form: str = "") -> numpy.ndarray[Any, Any]:
        """The row, over `data`."""
        return array_of(data, ArrayForm.parse(form))


def read_npy_header(read: Callable[[int, int], memoryview], size: int) -> NpyHeader:
    """Read and check the header of an NPY file of `size` bytes; read(start, count) gives its bytes.

    Raises:
        RecordError: It is none, its data is cut short or goes on behind the array, or it holds Python objects.
    """
    front = bytes(read(0, min(size, 12)))
    version = front[6] if len(front) == 12 else 0
    if not front.startswith(_MAGIC) or version not in _LENGTH_BYTES:
        raise RecordError(f"begins with {front[:8]!r}; expected {_MAGIC!r} and a version from 1 to 3: no NPY file")
    text_start = 8 + _LENGTH_BYTES[version]
    length = int.from_bytes(front[8:text_start], "little")
    if length > _MOST_HEADER or text_start + length > size:
        raise RecordError(f"the header claims {length} bytes; expected at most {min(_MOST_HEADER, size - text_start)}")
    form, fortran_order = _parse(bytes(read(text_start, length)).decode("utf-8", "replace"))
    data_start = text_start + length
    if data_start + form.nbytes != size:
        cause = "it was cut short" if data_start + form.nbytes > size else "something was appended"
        raise RecordError(f"the array of {form} ends at byte {data_start + form.nbytes}, the file at {size}; {cause}")
    return NpyHeader(form, fortran_order, data_start)


def _parse(text: str) -> tuple[ArrayForm, bool]:
    found: dict[str, str] = {}
    rest = text.strip()
    for entry in _ENTRY.finditer(text):
        found |= {name: value for name, value in entry.groupdict().items() if value is not None}
        rest = rest.replace(entry[0], "", 1)
    if not {"descr", "fortran", "shape"} <= found.keys() or re.fullmatch(r"\{[\s,]*\}", rest) is None:
        raise RecordError(f"the header is {text[:200]!r}; expected 'descr', 'fortran_order' and 'shape'")
    descr = found["descr"]
    if descr.startswith("["):
        raise RecordError(f"the array has the structured dtype {descr[:80]}; expected one plain dtype, such as '<f4'")
    extents = [part.strip() for part in found["shape"].split(",") if part.strip()]
    if not all(_EXTENT.fullmatch(extent) for extent in extents):
        raise RecordError(f"the array has the shape ({found['shape'][:80]}); expected numbers")
    shape = [int(extent.rstrip("L")) for extent in extents]
    return ArrayForm.checked(descr[1:-1], shape), found["fortran"] == "True"
