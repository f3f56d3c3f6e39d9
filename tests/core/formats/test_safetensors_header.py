"""The head of a safetensors object: what is accepted is exactly what the format allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from s3dlio_core.errors import InvalidArgumentError, RecordError
from s3dlio_core.formats.safetensors_header import DTYPE_BITS, build_header, parse_header, read_header

URI = "s3://b/model.safetensors"


def head_of(entries: Any) -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


def read(data: bytes) -> Any:
    return read_header(lambda start, end: data[start:end], len(data), URI)


def one(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **changes}}


def test_places_count_from_the_objects_start() -> None:
    data = head_of({"__metadata__": {"format": "pt"}, **one()}) + bytes(24)
    header = read(data)
    assert header.metadata == {"format": "pt"}
    assert header.tensors["a"].start == header.size == len(data) - 24
    assert header.tensors["a"].end == len(data)
    assert header.tensors["a"].shape == (2, 3)


def test_a_head_longer_than_the_first_read_is_read_on() -> None:
    asked = []
    data = head_of({"__metadata__": {"words": "x" * 300_000}, **one()}) + bytes(24)

    def fetch(start: int, end: int) -> memoryview:
        asked.append((start, end))
        return memoryview(data)[start:end]

    assert read_header(fetch, len(data), URI).tensors["a"].nbytes == 24
    assert len(asked) == 2
    assert asked[0][1] == asked[1][0]


def test_trailing_spaces_and_empty_tensors_are_fine() -> None:
    entries = {"e": {"dtype": "I8", "shape": [0], "data_offsets": [0, 0]}, **one()}
    assert list(read(head_of(json.dumps(entries).encode() + b"   ") + bytes(24)).tensors) == ["e", "a"]
    assert read(head_of({})).tensors == {}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (one(dtype="F33"), 'tensor "a" has the dtype'),
        (one(shape=[2, -3]), 'tensor "a" has the shape'),
        (one(shape=[2, True]), 'tensor "a" has the shape'),
        (one(shape=[2, 3.0]), 'tensor "a" has the shape'),
        (one(shape=[0, 1 << 40, 1 << 40]), "no memory holds"),
        (one(shape=[2, 4]), "needs 256 bits"),
        (one(data_offsets=[24, 0]), "has the offsets"),
        (one(data_offsets=[0, 24, 48]), "has the offsets"),
        (one(data_offsets=[4, 28]), "leaves a gap"),
        ({"a": [1]}, "is described by"),
        ({"a": {"dtype": "F32", "shape": [6]}}, "is described by"),
        ({"__metadata__": {"a": 1}, **one()}, "not str to str"),
        ({"__metadata__": [], **one()}, "not str to str"),
        ({**one(), "b": {"dtype": "F32", "shape": [1], "data_offsets": [20, 24]}}, 'tensor "b" .* overlaps'),
        (b'{"a":1,"a":1}', '"a" twice'),
        (b'{"a":{"dtype":"F32","dtype":"F32"}}', '"dtype" twice'),
        (b" {}", "begins with"),
        (b"{} x", "no JSON"),
        (b'{"\xff":1}', "no JSON"),
        (b'{"a":' * 100_000, "no JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "no JSON"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_the_tensors_name(entries: Any, expected: str) -> None:
    with pytest.raises(RecordError, match=expected) as failure:
        read(head_of(entries) + bytes(24))
    assert URI in str(failure.value)


@pytest.mark.parametrize(("extra", "expected"), [(-1, "cut short"), (1, "appended")])
def test_the_tensors_fill_the_object_exactly(extra: int, expected: str) -> None:
    with pytest.raises(RecordError, match=expected):
        read(head_of(one()) + bytes(24 + extra))


@pytest.mark.parametrize("data", [b"", b"1234567", b"\xff" * 64, (200).to_bytes(8, "little") + b"{}"])
def test_other_objects_are_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        read(data)


def test_a_head_that_is_built_is_read_back_widest_first() -> None:
    head, told = build_header([("b", "U8", (3,)), ("z", "F64", (1,)), ("a", "F64", (2,))], {"k": "v"}, URI)
    assert len(head) % 8 == 0
    header = read(head + bytes(27))
    assert header == told
    assert list(header.tensors) == ["a", "z", "b"]


def test_names_that_cannot_be_stored_are_refused() -> None:
    for tensors, metadata in (
        ([("__metadata__", "U8", (1,))], {}),
        ([("\ud800", "U8", (1,))], {}),
        ([("a", "U8", (1,)), ("a", "U8", (1,))], {}),
        ([("a", "F4", (1,))], {}),
        ([("a", "U8", (1,))], {"k": 1}),
    ):
        with pytest.raises(InvalidArgumentError, match=URI):
            build_header(tensors, metadata, URI)  # type: ignore[arg-type]


tensors_strategy = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda name: name != "__metadata__"),
    st.tuples(
        st.sampled_from([d for d, bits in DTYPE_BITS.items() if bits >= 8]), st.lists(st.integers(0, 4), max_size=3)
    ),
    max_size=6,
)


@given(tensors_strategy, st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text("ab"), max_size=1))
@settings(max_examples=60, deadline=None)
def test_any_head_we_build_is_one_to_the_formats_own_library(
    tensors: dict[str, tuple[str, list[int]]], metadata: dict[str, str]
) -> None:
    described = [(name, dtype, tuple(shape)) for name, (dtype, shape) in tensors.items()]
    head, header = build_header(described, metadata, URI)
    data = head + bytes(sum(info.nbytes for info in header.tensors.values()))
    assert read(data) == header
    assert {name: tuple(entry["shape"]) for name, entry in deserialize(data)} == {n: s for n, _, s in described}


@given(st.binary(max_size=40), st.integers(0, 130), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_damage_anywhere_is_an_error_or_harmless_and_never_another_exception(
    garbage: bytes, position: int, kind: int
) -> None:
    entries = {"__metadata__": {"k": "v"}, **one(), "b": {"dtype": "U8", "shape": [5], "data_offsets": [24, 29]}}
    data = head_of(entries) + bytes(29)
    front, back = data[:position], data[position:]
    damaged = {0: front + garbage + back[len(garbage) :], 1: front + garbage + back, 2: front, 3: garbage}[kind]
    try:
        header = read(damaged)
    except RecordError:
        return
    for info in header.tensors.values():
        assert header.size <= info.start <= info.end <= len(damaged)
    assert len({info.name for info in header.tensors.values()}) == len(header.tensors)
    # What we accept, the format's own library accepts.
    deserialize(damaged)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), st.lists, max_leaves=6)
)
@settings(max_examples=150, deadline=None)
def test_any_json_in_place_of_an_entry(value: Any) -> None:
    for entries in ({"a": value}, one(shape=value), one(data_offsets=value), one(dtype=value), {"__metadata__": value}):
        data = head_of(entries) + bytes(24 if "a" in entries else 0)
        try:
            read(data)
        except RecordError:
            continue
        try:
            deserialize(data)
        except SafetensorError as error:  # pragma: no cover
            pytest.fail(f"{data!r} is accepted here only: {error}")


def test_parse_header_is_what_read_header_uses() -> None:
    data = head_of(one()) + bytes(24)
    assert parse_header(data[8:-24], len(data), URI) == read(data)
