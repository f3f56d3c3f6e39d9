"""What indexing and decoding take in memory and time does not depend on what the objects claim."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
from core.records.record_bytes import index_of
from hypothesis import given, settings
from hypothesis import strategies as st

from s3dlio_core import InvalidArgumentError, RecordError, open_store
from s3dlio_core.checksum import crc32c
from s3dlio_core.records import RecordRange, format_named, index_prefix, load_index, save_index
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.stored import from_bytes, to_bytes
from s3dlio_core.records.table import RecordTable

MIB = 1 << 20


def most_memory(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives, and the bytes of Python's own that it held at a time."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def npy_head(rows: int) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_fifty_million_rows_take_no_memory() -> None:
    head = npy_head(50_000_000)
    size = len(head) + 50_000_000 * 8

    def fetch(start: int, end: int) -> bytes:
        return head[start:end].ljust(end - start, b"\0")

    def index() -> RecordTable:
        return RecordTable.of(format_named("npy").index(HeadReader(fetch, size), size))

    table, memory = most_memory(index)
    assert (len(table), table.layout) == (50_000_000, "even")
    assert table[49_999_999] == RecordRange(size - 8, size, "", "<f4 2")
    assert memory < MIB


def test_records_without_names_take_what_their_places_do() -> None:
    table, memory = most_memory(lambda: RecordTable.of(RecordRange(20 * i, 20 * i + 5 + i % 3) for i in range(100_000)))
    assert table.layout == "ranges"
    assert memory < 100_000 * 24


@pytest.mark.parametrize("named", [0, 1, 5, 9])
@pytest.mark.parametrize("formed", [0, 1, 5, 9])
def test_a_late_name_or_form_is_kept(named: int, formed: int) -> None:
    records = [
        RecordRange(i, i + 1, f"n{i}" if i >= named and i % 2 else "", "b" if i >= formed and i % 3 else "a")
        for i in range(10)
    ]
    assert list(RecordTable.of(records)) == records


def npz_of(array: numpy.ndarray) -> bytes:
    file = io.BytesIO()
    numpy.savez_compressed(file, a=array)
    return file.getvalue()


def test_an_inflated_array_is_there_once() -> None:
    array = numpy.zeros((64, MIB), "u1")
    array[::7, ::5] = 3
    data = npz_of(array)
    made = format_named("npz")
    (record,) = made.index(HeadReader.over(data), len(data))
    found, memory = most_memory(lambda: made.decode(memoryview(data)[record.start : record.end], "a", record.form))
    assert numpy.array_equal(found, array)
    assert memory < array.nbytes + 16 * MIB


def test_a_small_member_that_becomes_gigabytes_is_refused() -> None:
    made = format_named("npz")

    def decode() -> None:
        with pytest.raises(RecordError, match="expected at most 1073741824: store"):
            made.decode(memoryview(bytes(2 * MIB)), "a", "deflate npy 2000000000 0")

    _, memory = most_memory(decode)
    assert memory < 4 * MIB


@pytest.mark.parametrize("fletcher32", [False, True])
def test_a_chunk_that_becomes_gigabytes_is_refused(fletcher32: bool) -> None:
    """By a process that may not have that much."""
    array = numpy.zeros((1, 1000), "u1")
    stored = io.BytesIO()
    with h5py.File(stored, "w") as file:
        file.create_dataset("a", data=array, chunks=(1, 1000), compression="gzip", fletcher32=fletcher32)
    data = stored.getvalue()
    (record,) = format_named("hdf5").index(HeadReader.over(data), len(data))
    code = f"""if True:
        import resource, zlib
        from s3dlio_core import RecordError
        from s3dlio_core.records import format_named
        import h5py
        bomb = zlib.compressobj(1)
        packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(600)) + bomb.flush() + bytes({4 * fletcher32})
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
        try:
            format_named("hdf5").decode(memoryview(packed), "0", {record.form!r})
        except RecordError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert "bytes or more; expected those of a whole chunk); damaged" in done.stdout, done.stderr


def test_an_expression_of_a_stored_index_cannot_hang_who_loads_it(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}/") as store:
        store.put("a" * 200, bytes(100))
        index = index_of(("a" * 200, [RecordRange(0, 21)]), pattern="(a+)+!")
        store.put(".s3dlio-index", to_bytes(index))
        with pytest.raises(RecordError, match="gone"):
            load_index(store)


@pytest.mark.parametrize("pattern", ["(?=a)a", r"(a)\1", "("])
def test_an_expression_that_needs_going_back_is_neither_stored_nor_loaded(tmp_path: Path, pattern: str) -> None:
    with open_store(f"file://{tmp_path}/") as store:
        index = index_of(("a", [RecordRange(0, 21)]), pattern=pattern)
        with pytest.raises(InvalidArgumentError, match="pattern"):
            save_index(index, store)
        store.put(".s3dlio-index", to_bytes(index))
        with pytest.raises(RecordError, match=r"load index file://.*pattern"):
            load_index(store)


def test_a_pattern_chooses_the_same_objects_when_loaded(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}/") as store:
        for name in ("part-0.npy", "part-1.npy", "other.npy"):
            file = io.BytesIO()
            numpy.save(file, numpy.zeros((3, 2)))
            store.put(name, file.getvalue())
        save_index(index_prefix(store, pattern=r"^part-\d+"), store)
        assert [item.key for item in load_index(store).objects] == ["part-0.npy", "part-1.npy"]
        store.put("part-2.npy", file.getvalue())
        with pytest.raises(RecordError, match=r"part-2\.npy' is new"):
            load_index(store)


def sealed(document: Any, arrays: bytes) -> bytes:
    """A stored index whose checksums are right, whatever is in it."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    body = text + arrays
    front = struct.pack("<8sIIQI", b"S3DLIOIX", 1, len(text), len(body), crc32c(body))
    return front + struct.pack("<I", crc32c(front)) + body


def test_a_size_that_no_object_has_is_refused() -> None:
    stored = to_bytes(SAMPLES[0])
    text_bytes = struct.unpack_from("<8sII", stored)[2]
    document = json.loads(stored[32 : 32 + text_bytes])
    for size in (1 << 63, 1 << 70, -1, 1.5, None):
        document["objects"][0]["size"] = size
        with pytest.raises(RecordError, match="describes an object as"):
            from_bytes(sealed(document, stored[32 + text_bytes :]))


def test_a_document_beyond_the_index_is_refused() -> None:
    front = struct.pack("<8sIIQI", b"S3DLIOIX", 1, 1 << 31, 0, crc32c(b""))
    with pytest.raises(RecordError, match="claims 2147483648 bytes"):
        from_bytes(front + struct.pack("<I", crc32c(front)))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(0, 1 << 70) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["even", "packed", "ranges", "npy", "\ud800", "<f4 2", "path"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        found += places(inner, (*path, name))
    return found


def tampered(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for name in path[:-1]:
        document = document[name]
    document[path[-1]] = value


SAMPLES = [
    index_of(("a", [RecordRange(0, 21), RecordRange(21, 42)]), ("b", [RecordRange(3, 9, "x", "<f4 2")]), pattern="a|b"),
    index_of(("a", [RecordRange(0, 5, "n", "f"), RecordRange(7, 9, "m", "g"), RecordRange(9, 30)])),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_tampered_index_raises_record_errors_only(sample: Any, data: st.DataObject) -> None:
    stored = to_bytes(sample)
    text_bytes = struct.unpack_from("<8sII", stored)[2]
    document = json.loads(stored[32 : 32 + text_bytes])
    arrays = bytearray(stored[32 + text_bytes :])
    for _ in range(data.draw(st.integers(1, 2))):
        tampered(document, data.draw(st.sampled_from(places(document))), data.draw(JUNK))
        if not isinstance(document.get("objects"), list) or not document["objects"]:
            break
    if arrays and data.draw(st.booleans()):
        arrays[data.draw(st.integers(0, len(arrays) - 1))] = data.draw(st.integers(0, 255))
    try:
        index = from_bytes(sealed(document, bytes(arrays)))
        assert len(index) >= 0
        assert index.nbytes >= 0
        for number in range(min(len(index), 5)):
            record = index[number]
            assert 0 <= record.start < record.end <= record.size
            record.key.encode()
            if record.end - record.start < MIB:
                index.decode(number, bytes(record.end - record.start))
    except RecordError:
        pass
