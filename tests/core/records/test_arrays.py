"""NPY and NPZ, written by numpy."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy
import pytest
from core.records.record_bytes import decoded, ranges_of

from s3dlio_core import RecordError
from s3dlio_core.formats.object_types import encode
from s3dlio_core.records import format_named
from s3dlio_core.records.reader import HeadReader

NPY = format_named("npy")
NPZ = format_named("npz")
DTYPES = ["|b1", "|u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", "<c16", "|S5", "<U3", "<M8[ns]", "<m8[25s]"]


def npy_of(array: numpy.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    numpy.lib.format.write_array(file, array, **options)
    return file.getvalue()


def numbers(dtype: str, shape: tuple[int, ...]) -> numpy.ndarray:
    return numpy.arange(int(numpy.prod(shape))).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4)])
def test_rows_of_what_numpy_writes(dtype: str, shape: tuple[int, ...]) -> None:
    array = numbers(dtype, shape)
    rows = decoded(NPY, npy_of(array))
    assert len(rows) == shape[0]
    for row, expected in zip(rows, array, strict=True):
        assert row.dtype == array.dtype
        assert row.shape == expected.shape
        assert (row == expected).all()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version(version: tuple[int, int]) -> None:
    array = numbers("<f4", (3, 2))
    assert numpy.array_equal(numpy.stack(decoded(NPY, npy_of(array, version=version))), array)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }",
        "{'shape': (2L, 1L), 'fortran_order': False, 'descr': '<i4'}\n",
        '{"descr":"<i4","fortran_order":False,"shape":(2,1)}   \n',
    ],
)
def test_headers_of_other_writers(header: str) -> None:
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<2i", 5, 6)
    assert [int(row[0]) for row in decoded(NPY, data)] == [5, 6]


def test_a_row_is_a_view_of_its_bytes() -> None:
    data = bytearray(npy_of(numbers("<i4", (2, 3))))
    start, end, name, form = ranges_of(NPY, bytes(data))[1]
    row = NPY.decode(memoryview(data)[start:end], name, form)
    data[start] = 77
    assert row[0] == 77


def test_only_the_header_is_read() -> None:
    data = npy_of(numpy.zeros((1000, 5000), "f4"))
    reader = HeadReader.over(data)
    assert len(list(NPY.index(reader, len(data)))) == 1000
    assert reader.bytes_read <= 64 << 10


def test_an_array_without_rows_has_no_records() -> None:
    assert ranges_of(NPY, npy_of(numpy.zeros((0, 4), "f4"))) == []


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (numpy.asfortranarray(numbers("<f4", (3, 4))), "Fortran order"),
        (numpy.array([{}, 1], dtype=object), "Python objects"),
        (numpy.zeros(3, dtype=[("a", "<f4"), ("b", "<i2")]), "structured dtype"),
        (numpy.float32(1), "no dimension"),
        (numpy.zeros((3, 0), "f4"), "empty"),
        (numpy.zeros(3, "V4"), "dtype"),
    ],
)
def test_what_has_no_rows_by_range_is_refused(array: numpy.ndarray, message: str) -> None:
    data = npy_of(numpy.asanyarray(array), allow_pickle=True)
    with pytest.raises(RecordError, match=message):
        ranges_of(NPY, data)


@pytest.mark.parametrize("change", [-1, -8, -1000, 1])
def test_a_file_of_another_size_is_refused(change: int) -> None:
    data = npy_of(numbers("<f8", (100, 2)))
    with pytest.raises(RecordError, match="cut short" if change < 0 else "appended"):
        ranges_of(NPY, data[:change] if change < 0 else data + bytes(change))


@pytest.mark.parametrize(
    "shape", ["9223372036854775807, 9223372036854775807", "-1", "1e3", "0x3", "9" * 5000, "0," * 90]
)
def test_absurd_shapes_are_refused(shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape},), }}\n"
    data = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header.encode()
    with pytest.raises(RecordError):
        ranges_of(NPY, data)


@pytest.mark.parametrize("form", ["", "<f4", "<f4 3,4", "<f4 1 2", "|O 3", "<f3 2", "|S0 2", "<f4 " + "1," * 70 + "1"])
def test_a_form_that_does_not_fit_is_refused(form: str) -> None:
    with pytest.raises(RecordError):
        NPY.decode(memoryview(bytes(12)), "0", form)


def npz_of(compressed: bool, **arrays: numpy.ndarray) -> bytes:
    file = io.BytesIO()
    (numpy.savez_compressed if compressed else numpy.savez)(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_members_of_what_numpy_writes(compressed: bool) -> None:
    arrays = {
        "images": numbers("<f4", (20, 30)),
        "labels": numbers("<i8", (20,)),
        "columns": numpy.asfortranarray(numbers("<i2", (3, 4))),
        "nothing": numpy.zeros((0, 3), "u1"),
        "scalar": numpy.array(2.5),
    }
    data = npz_of(compressed, **arrays)
    found = {record.name: array for record, array in zip(ranges_of(NPZ, data), decoded(NPZ, data), strict=True)}
    assert found.keys() == arrays.keys()
    for name, expected in arrays.items():
        assert found[name].dtype == expected.dtype
        assert found[name].shape == expected.shape
        assert numpy.array_equal(found[name], expected)


def test_what_we_generate_reads_back() -> None:
    payload = bytes(range(256)) * 40
    (array,) = decoded(NPZ, bytes(encode("NPZ", payload)))
    assert bytes(array) == payload


def test_members_that_are_no_arrays_are_bytes() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", "hello")
        archive.writestr("empty.txt", "")
        archive.writestr("packed.txt", "x" * 1000, zipfile.ZIP_DEFLATED)
        archive.mkdir("folder")
    assert [bytes(record) for record in decoded(NPZ, file.getvalue())] == [b"hello", b"", b"x" * 1000]


def test_a_streamed_zip_with_sizes_behind_the_data() -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

    file = Unseekable()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", npy_of(numbers("<f4", (3,))))
    assert decoded(NPZ, bytes(file.data))[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("compressed", [False, True])
def test_every_flipped_byte_of_a_member_is_noticed(compressed: bool) -> None:
    data = npz_of(compressed, a=numbers("<i4", (6,)))
    (record,) = ranges_of(NPZ, data)
    for position in range(record.start, record.end):
        damaged = bytearray(data[record.start : record.end])
        damaged[position - record.start] ^= 0x41
        with pytest.raises(RecordError):
            NPZ.decode(memoryview(damaged), record.name, record.form)


@pytest.mark.parametrize("cut", [1, 10, 60, 200])
def test_a_zip_cut_short_is_an_error(cut: int) -> None:
    with pytest.raises(RecordError, match=r"cut short|damaged"):
        ranges_of(NPZ, npz_of(False, a=numbers("<f4", (30,)))[:-cut])


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


def test_claims_of_the_directory_are_checked() -> None:
    data = npz_of(False, a=numbers("<f4", (30,)), b=numbers("<f4", (30,)))
    directory = b"PK\x01\x02"
    with pytest.raises(RecordError, match="method 12"):
        ranges_of(NPZ, patched(data, directory, 10, struct.pack("<H", 12)))
    with pytest.raises(RecordError, match="encrypted"):
        ranges_of(NPZ, patched(data, directory, 8, struct.pack("<H", 1)))
    with pytest.raises(RecordError, match="claims"):
        ranges_of(NPZ, patched(data, directory, 24, struct.pack("<I", 1 << 31)))
    with pytest.raises(RecordError, match=r"overlaps|claims|ends at"):
        ranges_of(NPZ, patched(data, directory, 20, struct.pack("<II", 300, 300)))


def test_a_member_twice_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", npy_of(numbers("<f4", (3,))))
        archive.writestr("a", b"the same name")
    with pytest.raises(RecordError, match="two members are called 'a'"):
        ranges_of(NPZ, file.getvalue())


def test_inflating_stops_at_the_size_the_index_says() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50 << 20))
    start, end, name, form = ranges_of(NPZ, file.getvalue())[0]
    member = memoryview(file.getvalue())[start:end]
    with pytest.raises(RecordError, match="does not end where"):
        NPZ.decode(member, name, form.replace(str(50 << 20), "1000"))
    with pytest.raises(RecordError):
        NPZ.decode(member[:100], name, form)


def test_objects_in_a_zip_are_refused() -> None:
    data = npz_of(False, a=numpy.array([{}, 2], dtype=object))
    with pytest.raises(RecordError, match="Python objects"):
        decoded(NPZ, data)
