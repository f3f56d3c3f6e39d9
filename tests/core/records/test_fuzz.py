"""Hostile objects: whatever the bytes are, the answer is records inside the object, or RecordError."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile

import h5py
import numpy
import pytest
from core.records.record_bytes import index_of, masked_crc, tar_of, tfrecord_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from s3dlio_core import RecordError
from s3dlio_core.records import RecordRange, format_named
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.stored import from_bytes, to_bytes
from s3dlio_core.records.tfrecord_idx import get_tfrecord_index_entries

# HDF5 itself, a C library, is not what is tested here: its examples are always the same.
FUZZ_HDF5 = settings(max_examples=100, deadline=None, derandomize=True)
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def array_files() -> dict[str, bytes]:
    array = numpy.arange(24, dtype="<i4").reshape(4, 6)
    npy, npz, packed, hdf5 = (io.BytesIO() for _ in range(4))
    numpy.save(npy, array)
    numpy.savez(npz, a=array, b=array)
    numpy.savez_compressed(packed, a=array)
    with h5py.File(hdf5, "w") as file:
        file.create_dataset("a", data=array, chunks=(2, 6), compression="gzip")
    return {
        "npy": npy.getvalue(),
        "npz": npz.getvalue(),
        "npz deflated": packed.getvalue(),
        "hdf5": hdf5.getvalue(),
        "safetensors": save({"a": array, "b": array.astype("f4")}),
    }


FILES = {
    **array_files(),
    "tfrecord": tfrecord_of([b"", b"a" * 30, b"b"]),
    "webdataset": tar_of([("a.x", b"1" * 600), ("a.y", b"2"), ("b.x", b"3")]),
    "webdataset gnu": tar_of([("a" * 130 + ".x", b"1"), ("b.x", b"3")], tarfile.GNU_FORMAT),
    "webdataset pax": tar_of([("ü" * 130 + ".x", b"1"), ("b.x", b"3")], tarfile.PAX_FORMAT),
}


def records_or_error(name: str, data: bytes) -> list[RecordRange] | None:
    """Index, then decode every record: None if either refuses; any other exception is a failure of the test."""
    format = format_named(name.partition(" ")[0])
    try:
        found = list(format.index(HeadReader.over(data), len(data)))
        for number, (start, end, record_name, form) in enumerate(found):
            assert 0 <= start < end <= len(data)
            format.decode(memoryview(data)[start:end], record_name or str(number), form)
    except RecordError:
        return None
    return found


@pytest.mark.parametrize("name", ["npy", "npz", "safetensors", "tfrecord", "webdataset"])
@given(data=st.binary(max_size=2000))
@FUZZ
def test_random_bytes(name: str, data: bytes) -> None:
    records_or_error(name, data)


@pytest.mark.parametrize("name", [name for name in FILES if name != "hdf5"])
@given(data=st.data())
@FUZZ
def test_real_files_with_bytes_changed(name: str, data: st.DataObject) -> None:
    change_and_read(name, data)


@given(data=st.data())
@FUZZ_HDF5
def test_hdf5_files_with_bytes_changed(data: st.DataObject) -> None:
    change_and_read("hdf5", data)


def change_and_read(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.none() | st.integers(0, len(damaged)))]
    records_or_error(name, bytes(damaged))


@pytest.mark.parametrize("name", [name for name in FILES if name != "hdf5"])
def test_real_files_cut_anywhere(name: str) -> None:
    data = FILES[name]
    ends = {0} if name == "tfrecord" else set()
    if name == "tfrecord":
        # A cut between two records leaves a whole file; the index made before it notices by the size.
        ends = {0} | {start + size for start, size in get_tfrecord_index_entries(data)}
    for size in sorted({*range(0, len(data), 1 + len(data) // 1000), *range(0, len(data), 512)}):
        # The zeros that pad a tar archive behind its end mark may be missing.
        padding = name.startswith("webdataset") and not any(data[size - 512 :]) and size % 512 == 0
        if size not in ends and not padding:
            found = records_or_error(name, data[:size])
            assert found is None or not any(data[size:]), size


NUMBERS = st.sampled_from([0, 1, 7, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 64, 10**30, -1])


@given(
    st.text(max_size=12) | st.sampled_from(["<f4", "|O", "<U9", "|S999999999", "<M8[ns]", "f4,i4", "<c32"]),
    st.lists(NUMBERS, max_size=4),
    st.binary(max_size=64),
)
@FUZZ
def test_npy_headers_that_lie(descr: str, shape: list[int], rest: bytes) -> None:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {tuple(shape)!r}, }}\n".encode("utf-8", "replace")
    records_or_error("npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + rest)


JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.text(max_size=4),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "BF16", "U8", "X", "F4"]) | JSON,
                "shape": st.lists(NUMBERS, max_size=3) | JSON,
                "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2) | JSON,
            }
        )
        | JSON,
        max_size=3,
    ),
    st.binary(max_size=16),
)
@FUZZ
def test_safetensors_heads_that_lie(head: dict[str, object], rest: bytes) -> None:
    text = json.dumps(head).encode()
    records_or_error("safetensors", struct.pack("<Q", len(text)) + text + rest)


@given(st.integers(0, (1 << 64) - 1) | NUMBERS.filter(lambda n: 0 <= n < 1 << 64), st.binary(max_size=64))
@FUZZ
def test_tfrecord_lengths_that_lie(length: int, rest: bytes) -> None:
    head = struct.pack("<Q", length)
    found = records_or_error("tfrecord", head + masked_crc(head) + rest)
    assert found is None


def tar_header(name: bytes, size: int, kind: bytes) -> bytes:
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT)[:512])
    header[:100] = name[:100].ljust(100, b"\0")
    header[124:136] = b"\x80" + (size % (1 << 88)).to_bytes(11, "big")
    header[156:157] = kind
    header[148:156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:]))
    return bytes(header)


BLOCKS = st.one_of(
    st.builds(
        tar_header,
        st.binary(max_size=100),
        NUMBERS.map(abs),
        st.sampled_from(list(b"0\x0017xgLKSX5")).map(lambda n: bytes([n])),
    ),
    st.builds(tar_header, st.sampled_from([b"a.x", b"a.y", b"b.x"]), st.sampled_from([0, 1, 512, 600]), st.just(b"0")),
    st.binary(max_size=512).map(lambda text: text.ljust(512, b"\0")),
    st.sampled_from(
        [b"12 path=a.b\n", b"9 size=9\n", b"30 size=99999999999999999999\n", b"99999 path=x\n", b"6 =\n\n\n"]
    ).map(lambda text: text.ljust(512, b"\0")),
    st.just(bytes(512)),
)


@given(st.lists(BLOCKS, max_size=8))
@FUZZ
def test_tar_blocks_in_any_order(blocks: list[bytes]) -> None:
    records_or_error("webdataset", b"".join(blocks) + bytes(1024))


@given(st.data())
@FUZZ
def test_zip_directories_that_lie(data: st.DataObject) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", FILES["npy"])
        archive.writestr("b", b"xyz", zipfile.ZIP_DEFLATED)
    damaged = bytearray(file.getvalue())
    start = damaged.index(b"PK\x01\x02")
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(start, len(damaged) - 4))
        struct.pack_into("<I", damaged, position, data.draw(NUMBERS) & 0xFFFFFFFF)
    records_or_error("npz", bytes(damaged))


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
@FUZZ
def test_stored_indexes(data: bytes, position: int, value: int) -> None:
    stored = bytearray(to_bytes(index_of(("a", [RecordRange(0, 5, "n")]))))
    for attempt in (data, b"S3DLIOIX" + data):
        with pytest.raises(RecordError):
            from_bytes(attempt)
    position %= len(stored)
    if stored[position] != value:
        stored[position] = value
        with pytest.raises(RecordError):
            from_bytes(stored)
