"""Tables, indexes and their stored form."""

from __future__ import annotations

import json
import pickle
import struct

import google_crc32c
import pytest
from core.records.record_bytes import index_of, tfrecord_of
from hypothesis import given
from hypothesis import strategies as st

from s3dlio_core import InvalidArgumentError, ObjectMeta, RecordError
from s3dlio_core.records import IndexedObject, RecordIndex, RecordRange, format_named
from s3dlio_core.records.stored import from_bytes, to_bytes
from s3dlio_core.records.table import RecordTable

HEAD = struct.Struct("<8sIIQI")


def ranges_strategy() -> st.SearchStrategy[list[RecordRange]]:
    one = st.builds(
        lambda start, width, name, form: RecordRange(start, start + width, name, form),
        st.integers(0, 1 << 40),
        st.integers(1, 1 << 40),
        st.text(max_size=5) | st.just("\udcff\ud800"),
        st.sampled_from(["", "<f4 3", "<f4 4"]),
    )
    return st.lists(one, max_size=30)


@given(ranges_strategy())
def test_a_table_gives_back_what_it_was_made_of(ranges: list[RecordRange]) -> None:
    table = RecordTable.of(ranges)
    assert list(table) == ranges
    assert table.nbytes == sum(record.end - record.start for record in ranges)
    again, taken = RecordTable.read(json.loads(json.dumps(table.describe())), memoryview(table.arrays()), 1 << 42)
    assert list(again) == ranges
    assert taken == len(table.arrays())
    assert again == table
    assert pickle.loads(pickle.dumps(table)) == table


@pytest.mark.parametrize(
    ("ranges", "layout", "nbytes"),
    [
        ([(10 * n, 10 * n + 10) for n in range(1000)], "even", 0),
        ([(16 * n, 16 * n + 10) for n in range(1000)], "even", 0),
        ([(n * (n + 1), (n + 1) * (n + 2)) for n in range(1000)], "packed", 8000),
        ([(30 * n, 30 * n + 1 + n % 3) for n in range(1000)], "ranges", 16000),
        ([(5, 9)] * 1000, "ranges", 16000),
        ([(9000, 9010), (100, 110)], "ranges", 32),
        ([(7, 9)], "even", 0),
    ],
)
def test_a_table_keeps_only_what_it_must(ranges: list[tuple[int, int]], layout: str, nbytes: int) -> None:
    table = RecordTable.of(RecordRange(*pair) for pair in ranges)
    assert table.layout == layout
    assert len(table.arrays()) == nbytes
    assert [(record.start, record.end) for record in table] == ranges


@given(st.lists(st.tuples(st.text(max_size=8), ranges_strategy()), max_size=4, unique_by=lambda pair: pair[0]))
def test_an_index_is_stored_and_read_back(objects: list[tuple[str, list[RecordRange]]]) -> None:
    index = index_of(*objects, pattern="x+")
    assert from_bytes(to_bytes(index)) == index
    assert pickle.loads(pickle.dumps(index)) == index
    assert [record[:1] + record[2:4] for record in index] == [(k, r.start, r.end) for k, rs in objects for r in rs]
    assert [index[i] for i in range(len(index))] == list(index)


def test_records_by_number() -> None:
    index = index_of(("a", [RecordRange(0, 5), RecordRange(5, 9)]), ("none", []), ("b", [RecordRange(3, 4, "dog")]))
    assert len(index) == 3
    assert (index[1].key, index[1].start, index[1].end, index[1].name, index[1].number) == ("a", 5, 9, "1", 1)
    assert (index[-1].key, index[-1].name, index[-1].number) == ("b", "dog", 0)
    assert index[1:] == [index[1], index[2]]
    for outside in (3, -4):
        with pytest.raises(IndexError, match=r"outside \[-3, 3\)"):
            index[outside]


def test_decoding_names_the_object_the_record_and_its_place() -> None:
    data = bytearray(tfrecord_of([b"first", b"second"]))
    table = RecordTable.of([RecordRange(0, 21), RecordRange(21, 43)])
    index = RecordIndex("tfrecord", [IndexedObject("a", len(data), "", table)])
    assert bytes(index.decode(1, data[21:])) == b"second"
    data[35] ^= 1
    with pytest.raises(RecordError) as raised:
        index.decode(1, data[21:], uri="s3://train/a")
    assert raised.value.uri == "s3://train/a"
    for part in ("s3://train/a", "record 1 at bytes [21, 43)", "checksum", "expected"):
        assert part in str(raised.value)
    with pytest.raises(RecordError, match="found 3 bytes; expected 21"):
        index.decode(0, b"abc")


def test_one_flipped_bit_of_a_stored_index_is_noticed() -> None:
    stored = to_bytes(index_of(("a", [RecordRange(0, 5), RecordRange(5, 9, "n")]), ("b", [])))
    for position in range(len(stored)):
        damaged = bytearray(stored)
        damaged[position] ^= 0x20
        with pytest.raises(RecordError):
            from_bytes(damaged)


def test_a_stored_index_cut_short_is_noticed() -> None:
    stored = to_bytes(index_of(("a", [RecordRange(0, 5), RecordRange(5, 9)])))
    for size in range(len(stored)):
        with pytest.raises(RecordError):
            from_bytes(stored[:size])
    with pytest.raises(RecordError):
        from_bytes(stored + b"x")


def forged(document: object, arrays: bytes = b"", version: int = 1) -> bytes:
    """A stored index with good checksums, whatever it says."""
    text = json.dumps(document).encode()
    body = text + arrays
    front = HEAD.pack(b"S3DLIOIX", version, len(text), len(body), google_crc32c.value(body))
    return front + struct.pack("<I", google_crc32c.value(front)) + body


def document(**changes: object) -> dict[str, object]:
    described = {"key": "a", "size": 100, "etag": "", "records": 2, "layout": "even", "first": 0, "step": 5, "width": 5}
    described |= {
        name: changes.pop(name) for name in list(changes) if name in described or name in ("forms", "name_bytes")
    }
    whole = {"format": "tfrecord", "options": {}, "pattern": None, "records": 2, "objects": [described]}
    return whole | {name.removeprefix("whole_"): value for name, value in changes.items()}


def test_the_stored_form_is_as_documented() -> None:
    index = from_bytes(forged(document()))
    assert [(record.start, record.end) for record in index] == [(0, 5), (5, 10)]
    ends = struct.pack("<2Q", 7, 11)
    assert [(r.start, r.end) for r in from_bytes(forged(document(layout="packed", first=3), ends))] == [(3, 7), (7, 11)]
    arrays = struct.pack("<2Q2Q2Q2I", 0, 50, 7, 60, 3, 6, 0, 1) + b"onetwo"
    named = from_bytes(forged(document(layout="ranges", name_bytes=6, forms=["x", "y"]), arrays))
    assert [(r.start, r.end, r.name, r.form) for r in named] == [(0, 7, "one", "x"), (50, 60, "two", "y")]


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 9},
        {"size": -1},
        {"size": True},
        {"key": 5},
        {"etag": None},
        {"records": 1 << 70},
        {"records": 1 << 62},
        {"records": -1},
        {"records": 2.0},
        {"records": (1 << 63) - 1, "step": 0},
        {"width": 0},
        {"step": 0},
        {"layout": "packed"},
        {"layout": "ranges"},
        {"layout": "other"},
        {"layout": []},
        {"name_bytes": 1 << 60},
        {"name_bytes": "x"},
        {"forms": "x"},
        {"forms": [1]},
        {"forms": ["x", "y"]},
        {"whole_records": 3},
        {"whole_format": "other"},
        {"whole_format": ["tfrecord"]},
        {"whole_options": {"x": 1}},
        {"whole_options": 1},
        {"whole_pattern": 5},
        {"whole_objects": None},
        {"whole_objects": [5]},
    ],
)
def test_an_index_that_lies_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RecordError):
        from_bytes(forged(document(**changes)))


@pytest.mark.parametrize(
    "arrays",
    [
        struct.pack("<2Q2Q", 0, 50, 7, 101),
        struct.pack("<2Q2Q", 0, 50, 0, 60),
        struct.pack("<2Q2Q", 0, 50, 7, 49),
        struct.pack("<2Q2Q", 0, 50, 7, 60) + b"more",
        struct.pack("<2Q2Q", 0, 50, 7, 60)[:-1],
    ],
)
def test_ranges_outside_the_object_are_refused(arrays: bytes) -> None:
    with pytest.raises(RecordError):
        from_bytes(forged(document(layout="ranges"), arrays))


def test_names_that_are_no_text_are_refused() -> None:
    arrays = struct.pack("<2Q", 1, 2) + b"\xff\xff"
    with pytest.raises(RecordError, match="no text"):
        list(from_bytes(forged(document(name_bytes=2), arrays)))


def test_deep_json_and_other_versions_are_refused() -> None:
    text = b"[" * 100_000
    front = HEAD.pack(b"S3DLIOIX", 1, len(text), len(text), google_crc32c.value(text))
    with pytest.raises(RecordError):
        from_bytes(front + struct.pack("<I", google_crc32c.value(front)) + text)
    with pytest.raises(RecordError, match="version 2"):
        from_bytes(forged(document(), version=2))
    with pytest.raises(RecordError, match="no index of records"):
        from_bytes(b"something else entirely, and long enough")


def test_changed_objects_are_named() -> None:
    index = index_of(("a", [RecordRange(0, 5)]), ("b", []))
    same = [ObjectMeta("b", 1 << 42, '"b"'), ObjectMeta("a", 1 << 42, '"a"')]
    index.check(same)
    index.check([ObjectMeta("a", 1 << 42), ObjectMeta("b", 1 << 42)])  # a store without etags
    for changed, message in [
        ([*same, ObjectMeta("c", 1)], "'c' is new"),
        (same[:1], "'a' is gone"),
        ([same[0], ObjectMeta("a", 5, '"a"')], "'a' has 5 bytes now"),
        ([same[0], ObjectMeta("a", 1 << 42, '"other"')], '\'a\' has the etag "other" now and had "a"'),
    ]:
        with pytest.raises(RecordError, match=message) as raised:
            index.check(changed, "s3://train/")
        assert "run `s3dlio index s3://train/` again" in str(raised.value)


def test_unknown_formats_and_options_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="expected one of hdf5, npy"):
        format_named("parquet")
    with pytest.raises(InvalidArgumentError, match="no option path; valid options: none"):
        format_named("npy", path="x")
