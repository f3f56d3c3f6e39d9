"""HDF5 files, written by h5py."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
from core.records.record_bytes import decoded, ranges_of

from s3dlio_core import InvalidArgumentError, RecordError
from s3dlio_core.records import format_named
from s3dlio_core.records.reader import HeadReader

FORMAT = format_named("hdf5")


def file_of(make: Any, **options: Any) -> bytes:
    stored = io.BytesIO()
    with h5py.File(stored, "w", **options) as file:
        make(file)
    return stored.getvalue()


def dataset(array: numpy.ndarray, name: str = "data", **options: Any) -> bytes:
    return file_of(lambda file: file.create_dataset(name, data=array, **options))


def rows(shape: tuple[int, ...], dtype: str = "<f4") -> numpy.ndarray:
    return numpy.random.default_rng(7).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", "|S6"])
@pytest.mark.parametrize("chunks", [None, (1, 4), (3, 4)])
def test_rows_of_what_h5py_writes(dtype: str, chunks: tuple[int, ...] | None) -> None:
    array = rows((10, 4), dtype)
    found = decoded(FORMAT, dataset(array, chunks=chunks))
    assert len(found) == 10
    for row, expected in zip(found, array, strict=True):
        assert (row.dtype, row.shape) == (array.dtype, (4,))
        assert numpy.array_equal(row, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf", "fletcher32": True},
        {"fletcher32": True},
        {"compression": "gzip", "maxshape": (None, 5, 6)},
        {"scaleoffset": 0, "dtype": "i4"},
    ],
)
def test_filters_are_undone(options: dict[str, Any]) -> None:
    array = rows((11, 5, 6), "i4")
    assert numpy.array_equal(numpy.stack(decoded(FORMAT, dataset(array, chunks=(4, 5, 6), **options))), array)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("fletcher32", [False, True])
@pytest.mark.parametrize("chunks", [(1, 1000), (4, 1000)])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_chunks_of_which_a_filter_was_skipped(
    chunks: tuple[int, int], shuffle: bool, fletcher32: bool, dtype: str
) -> None:
    """lzf gives up on noise, chunk by chunk; half of these can be compressed."""
    generator = numpy.random.default_rng(5)
    array = numpy.concatenate([generator.integers(0, 256, (8, 1000)), numpy.zeros((10, 1000))]).astype("u1")
    if dtype == "f4":
        array = numpy.concatenate([generator.random((8, 1000)), numpy.zeros((10, 1000))]).astype("f4")
    data = dataset(array, chunks=chunks, compression="lzf", shuffle=shuffle, fletcher32=fletcher32)
    with h5py.File(io.BytesIO(data)) as file:
        stored = file["data"].id
        masks = {stored.get_chunk_info(number).filter_mask for number in range(stored.get_num_chunks())}
    assert masks == ({0} if dtype == "f4" and shuffle else {0, 2 if shuffle else 1})
    assert numpy.array_equal(numpy.stack(decoded(FORMAT, data)), array)


def test_a_damaged_chunk_of_which_a_filter_was_skipped_is_reported() -> None:
    array = numpy.random.default_rng(5).integers(0, 256, (1, 1000)).astype("u1")
    data = dataset(array, chunks=(1, 1000), compression="lzf", fletcher32=True)
    (record,) = ranges_of(FORMAT, data)
    spoilt = bytearray(data[record.start : record.end])
    spoilt[500] ^= 1
    with pytest.raises(RecordError, match="cannot unpack the chunk"):
        FORMAT.decode(memoryview(spoilt), "0", record.form)


@pytest.mark.parametrize("maxshape", [None, (None, 4), (None, None)])
@pytest.mark.parametrize("chunks", [None, (1, 4), (3, 4)])
def test_the_newest_file_format(maxshape: Any, chunks: Any) -> None:
    array = rows((10, 4))
    options = {} if chunks is None else {"chunks": chunks, "maxshape": maxshape, "compression": "gzip"}
    data = file_of(lambda file: file.create_dataset("data", data=array, **options), libver="latest")
    assert numpy.array_equal(numpy.stack(decoded(FORMAT, data)), array)


def test_scalars_as_rows() -> None:
    assert [int(row) for row in decoded(FORMAT, dataset(numpy.arange(5)))] == list(range(5))


def test_a_dataset_by_its_path() -> None:
    def make(file: h5py.File) -> None:
        file["train/images"] = rows((3, 2))
        file["train/labels"] = numpy.arange(3)

    data = file_of(make)
    labels = format_named("hdf5", path="train/labels")
    assert [int(row) for row in decoded(labels, data)] == [0, 1, 2]
    with pytest.raises(RecordError, match="datasets at its root are: none"):
        ranges_of(FORMAT, data)
    with pytest.raises(RecordError, match="is a group"):
        ranges_of(format_named("hdf5", path="/train/"), data)
    with pytest.raises(RecordError, match="no dataset 'train/nothing'"):
        ranges_of(format_named("hdf5", path="train/nothing"), data)
    with pytest.raises(InvalidArgumentError, match="path"):
        format_named("hdf5", path="")


def test_only_the_structure_is_read() -> None:
    data = dataset(numpy.zeros((1000, 10_000), "f4"))
    reader = HeadReader.over(data)
    assert len(list(FORMAT.index(reader, len(data)))) == 1000
    assert reader.bytes_read < 1 << 20


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.h5").write_bytes(dataset(rows((3, 2))))

    def make(file: h5py.File) -> None:
        file["outside"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "data")
        file["soft"] = h5py.SoftLink("/outside")

    for name in ("outside", "soft"):
        with pytest.raises(RecordError, match="or a link is"):
            ranges_of(format_named("hdf5", path=name), file_of(make))


def test_data_of_other_files_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_bytes(bytes(24))

    def make(file: h5py.File) -> None:
        file.create_dataset("data", (3, 2), "f4", external=[(str(tmp_path / "outside.bin"), 0, 24)])

    with pytest.raises(RecordError, match="other files"):
        ranges_of(FORMAT, file_of(make))


def made_virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", (3, 2))
    file.create_virtual_dataset("data", layout)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (made_virtual, "other datasets"),
        (lambda file: file.create_dataset("data", data=numpy.float32(1)), "no rows"),
        (lambda file: file.create_dataset("data", (3, 0), "f4"), "hold bytes"),
        (lambda file: file.create_dataset("data", (3, 2), h5py.string_dtype()), "type"),
        (lambda file: file.create_dataset("data", (3, 2), [("a", "f4")]), "type"),
        (lambda file: file.create_dataset("data", (3, 2), "f4"), "never written"),
        (lambda file: file.create_dataset("data", (3, 2), "f4", chunks=(1, 2)), "never written"),
        (lambda file: file.create_dataset("data", (4, 4), "f4", chunks=(2, 2)), "cut its rows"),
        (lambda file: None, "datasets at its root are: none"),
    ],
)
def test_what_has_no_rows_by_range_is_refused(make: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        ranges_of(FORMAT, file_of(make))


def test_a_user_block(tmp_path: Path) -> None:
    array = rows((3, 2))
    assert numpy.array_equal(numpy.stack(decoded(FORMAT, with_user_block(tmp_path, array))), array)
    with pytest.raises(RecordError, match="user block"):
        ranges_of(FORMAT, with_user_block(tmp_path, array, chunks=(1, 2)))


def with_user_block(folder: Path, array: numpy.ndarray, **options: Any) -> bytes:
    with h5py.File(folder / "block.h5", "w", userblock_size=512) as file:
        file.create_dataset("data", data=array, **options)
    return (folder / "block.h5").read_bytes()


def test_a_file_cut_short_is_an_error() -> None:
    data = dataset(rows((1000, 4)))
    for size in (0, 100, 1000, len(data) // 2, len(data) - 1):
        with pytest.raises(RecordError, match=r"cut short|damaged"):
            ranges_of(FORMAT, data[:size])


def test_a_failing_read_is_reported_as_itself() -> None:
    data = dataset(rows((1000, 4)))

    def fetch(start: int, end: int) -> bytes:
        raise RecordError("the disk is on fire")

    with pytest.raises(RecordError, match="on fire"):
        list(FORMAT.index(HeadReader(fetch, len(data)), len(data)))


def test_a_damaged_chunk_is_an_error() -> None:
    array = rows((4, 100))
    data = dataset(array, chunks=(2, 100), compression="gzip", fletcher32=True)
    start, end, _, form = ranges_of(FORMAT, data)[0]
    chunk = bytearray(data[start:end])
    chunk[len(chunk) // 2] ^= 0xFF
    with pytest.raises(RecordError, match="cannot unpack the chunk of row 0"):
        FORMAT.decode(memoryview(chunk), "0", form)
    for wrong in (form.replace("[2,", "[2000000000,"), "{}", "{", form.replace('"mask":0', '"mask":"x"')):
        with pytest.raises(RecordError):
            FORMAT.decode(memoryview(data[start:end]), "0", wrong)
    plain = dataset(array, chunks=(2, 100))
    start, end, _, form = ranges_of(FORMAT, plain)[0]
    with pytest.raises(RecordError, match="expected those of a chunk"):
        FORMAT.decode(memoryview(plain[start : end - 4]), "0", form)
