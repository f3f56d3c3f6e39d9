"""HDF5: the rows along axis 0 of one dataset are the records. h5py reads the file's structure."""

from __future__ import annotations

import importlib
import io
import json
import math
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from s3dlio_core.errors import InvalidArgumentError, RecordError, StorageError
from s3dlio_core.records.arrays import ArrayForm, array_of
from s3dlio_core.records.format import RecordRange
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.table import RecordTable

if TYPE_CHECKING:
    import numpy

__all__ = ["Hdf5"]

_MOST_CHUNK = 1 << 30
_DEFLATE, _FLETCHER32 = 1, 3  # HDF5's numbers of filters
_SUM_BYTES = 4
_ROOM = 1 << 20  # what filters may add to a chunk before it is deflated


class Hdf5:
    """Rows of one dataset; a decoded record is a numpy array of shape `shape[1:]`.

    A row of a contiguous dataset is its own range of bytes. A row of a chunked one (compressed or not) is read with the
    whole chunk it lies in, which h5py unpacks: chunks of one row are best.

    Args:
        path: Of the dataset, e.g. "train/images"; None: the file has one dataset at its root, and it is that one.
    """

    name = "hdf5"
    suffixes = (".h5", ".hdf5", ".hdf")
    OPTIONS = ("path",)

    def __init__(self, path: str | None = None) -> None:
        if path is not None and (not isinstance(path, str) or not path.strip("/")):
            raise InvalidArgumentError(f"path is {path!r}; expected the name of a dataset, such as 'train/images'")
        self.path = path

    def index(self, reader: HeadReader, size: int) -> RecordTable:
        """Reads what describes the dataset, and nothing of its rows."""
        h5py = _h5py()
        with reader.as_file() as stored:
            try:
                with h5py.File(stored, "r") as file:
                    return _ranges(h5py, file, self.path, size)
            except StorageError:
                raise
            except Exception as error:  # h5py's errors are of many kinds
                raise RecordError(f"h5py cannot read it ({error}); cut short, damaged, or no HDF5 file") from error

    def decode(self, data: memoryview, name: str, form: str = "") -> numpy.ndarray[Any, Any]:
        """The row, over `data` where the dataset is contiguous."""
        if form.startswith("{"):
            return _row_of_chunk(data, name, form)
        return array_of(data, ArrayForm.parse(form))


def _h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise ImportError("records of HDF5 files need h5py: pip install h5py") from error


def _ranges(h5py: Any, file: Any, path: str | None, size: int) -> RecordTable:
    dataset = _dataset(h5py, file, path)
    where = f"the dataset {dataset.name!r}"
    form = _row_form(h5py, dataset, where)
    plan = dataset.id.get_create_plist()
    layout = plan.get_layout()
    if layout == h5py.h5d.CHUNKED:
        return RecordTable.of(_rows_of_chunks(h5py, file, dataset, form, size, where))
    if layout != h5py.h5d.CONTIGUOUS or plan.get_external_count():
        raise RecordError(f"{where} keeps its data in its header, in other datasets or in other files; expected a "
                          "contiguous or a chunked dataset")  # fmt: skip
    offset = dataset.id.get_offset()
    count = dataset.shape[0]
    if count and offset is None:
        raise RecordError(f"{where} was never written")
    if count and offset + count * form.nbytes > size:
        raise RecordError(f"{where} ends at byte {offset + count * form.nbytes}, the file at {size}; cut short")
    return RecordTable.even(offset or 0, form.nbytes, count, str(form))


def _dataset(h5py: Any, file: Any, path: str | None) -> Any:
    if path is None:
        names = [name for name in file if isinstance(_followed(h5py, file, name), h5py.Dataset)]
        if len(names) != 1:
            found = ", ".join(names[:10]) or "none"
            raise RecordError(f"the datasets at its root are: {found}; expected one; name one with the option 'path'")
        path = names[0]
    place = file
    for name in path.strip("/").split("/"):
        place = _followed(h5py, place, name) if isinstance(place, h5py.Group) else None
        if place is None:
            raise RecordError(f"it has no dataset {path!r}: nothing is called {name!r} there, or a link is")
    if not isinstance(place, h5py.Dataset):
        raise RecordError(f"{path!r} is a group; expected a dataset")
    return place


def _followed(h5py: Any, group: Any, name: str) -> Any:
    """What is called `name`. Links are not followed: they may lead to other files."""
    link = group.get(name, getlink=True)
    return group[name] if isinstance(link, h5py.HardLink) else None


def _row_form(h5py: Any, dataset: Any, where: str) -> ArrayForm:
    if not dataset.shape:
        raise RecordError(f"{where} has no rows; expected at least one dimension")
    # Otherwise the bytes in the file would not be what numpy takes them for.
    stored = dataset.id.get_type()
    plain = dataset.dtype.kind in "biufcS" and stored.equal(h5py.h5t.py_create(dataset.dtype, logical=True))
    if not plain:
        raise RecordError(f"{where} has the type {dataset.dtype}; expected numbers or fixed strings")
    form = ArrayForm.checked(dataset.dtype.str, dataset.shape[1:])
    if not form.nbytes:
        raise RecordError(f"{where} has the shape {dataset.shape}; expected rows that hold bytes")
    return form


def _rows_of_chunks(
    h5py: Any, file: Any, dataset: Any, form: ArrayForm, size: int, where: str
) -> Iterator[RecordRange]:
    chunk = dataset.chunks
    if any(extent < whole for extent, whole in zip(chunk[1:], form.shape, strict=True)):
        message = f"{where} of shape {dataset.shape} has chunks of {chunk}, which cut its rows"
        raise RecordError(f"{message}; expected chunks of whole rows, such as {(1, *form.shape)}")
    if file.userblock_size:
        raise RecordError(f"{where} is chunked in a file with a user block; expected none")
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(number)[:3] for number in range(plan.get_nfilters())]
    described = {
        "dtype": form.dtype,
        "row": list(form.shape),
        "chunk": list(chunk),
        "filters": [[code, flags, list(values)] for code, flags, values in filters],
    }
    for row in range(0, dataset.shape[0], chunk[0]):
        stored = dataset.id.get_chunk_info_by_coord((row, *[0] * len(form.shape)))
        if stored.byte_offset is None or not stored.size:
            raise RecordError(f"{where} has no data for its rows from {row} on; they were never written")
        start, end = stored.byte_offset, stored.byte_offset + stored.size
        if end > size:
            raise RecordError(f"{where} has a chunk at [{start}, {end}), the file has {size} bytes; cut short")
        text = json.dumps({**described, "mask": stored.filter_mask}, separators=(",", ":"))
        for _ in range(min(chunk[0], dataset.shape[0] - row)):
            yield RecordRange(start, end, "", text)


def _row_of_chunk(data: memoryview, name: str, form: str) -> numpy.ndarray[Any, Any]:
    """Row number `name` of the dataset, from the chunk it lies in."""
    h5py = _h5py()
    try:
        described = json.loads(form)
        chunk = tuple(described["chunk"])
        row = ArrayForm.checked(described["dtype"], described["row"])
        number = int(name) % chunk[0]
        if ArrayForm.checked(row.dtype, chunk).nbytes > _MOST_CHUNK:
            raise RecordError(f"a chunk of {chunk} is larger than 1 GiB")
        rows = _unpacked(h5py, data, chunk, row.dtype, described)
        return rows[(number, *(slice(extent) for extent in row.shape))]
    except StorageError:
        raise
    except Exception as error:
        raise RecordError(f"h5py cannot unpack the chunk of row {name} ({error}); damaged") from error


def _unpacked(
    h5py: Any, data: memoryview, chunk: tuple[int, ...], dtype: str, described: dict[str, Any]
) -> numpy.ndarray[Any, Any]:
    """All rows of a chunk: it becomes the only one of a file in memory, and HDF5's own filters undo what was done."""
    import numpy

    # A filter that could not make this chunk smaller was skipped (lzf, of noise). It is left out here as well: HDF5
    # applies it all the same to a chunk that was written with its mask a moment ago.
    filters = [each for number, each in enumerate(described["filters"]) if not described["mask"] >> number & 1]
    # HDF5 would inflate it to whatever size. Another checksum around it is for HDF5 to compare, so that is done twice.
    most = math.prod(chunk) * numpy.dtype(dtype).itemsize + _ROOM
    outer = [code for code, *_ in filters[-2:]]
    if outer[-1:] == [_DEFLATE]:
        data = _inflated(data, most)
        filters = filters[:-1]
    elif outer == [_DEFLATE, _FLETCHER32]:
        _inflated(data[: max(len(data) - _SUM_BYTES, 0)], most)
    with h5py.File(io.BytesIO(), "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(chunk)
        for code, flags, values in filters:
            plan.set_filter(code, flags, tuple(values))
        kind = h5py.h5t.py_create(numpy.dtype(dtype), logical=True)
        stored = h5py.h5d.create(file.id, b"rows", kind, h5py.h5s.create_simple(chunk), plan)
        if not filters and len(data) != math.prod(chunk) * numpy.dtype(dtype).itemsize:
            raise RecordError(f"found {len(data)} bytes; expected those of a chunk of {chunk} {dtype}")
        stored.write_direct_chunk((0,) * len(chunk), bytes(data))
        rows = numpy.empty(chunk, numpy.dtype(dtype))
        stored.read(h5py.h5s.ALL, h5py.h5s.ALL, rows)
        return rows


def _inflated(data: memoryview, most: int) -> memoryview:
    """What deflated bytes are; ValueError if they are more than `most`, or none."""
    inflate = zlib.decompressobj()
    try:
        made = inflate.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be inflated: {error}") from error
    if len(made) > most or not inflate.eof:
        raise ValueError(f"inflated it has {len(made)} bytes or more; expected those of a whole chunk")
    return memoryview(made)
