"""Writing whole objects: overwrite, conditions, several parts, headers, any kind of memory."""

from __future__ import annotations

import array

import numpy as np
import pytest
import torch
from servers.access import Place
from servers.content import MIB, content

from s3dlio_core import ObjectExistsError, ObjectNotFoundError, PreconditionError, StorageError, Store

DATA = content(70_001, seed=1)


def test_put_overwrites(any_store: Store) -> None:
    any_store.put("a", DATA)
    any_store.put("a", b"short")
    assert any_store.get("a") == b"short"
    any_store.put("a", b"")
    assert any_store.get("a") == b""


def test_put_tells_what_was_stored(any_store: Store) -> None:
    result = any_store.put("a", DATA)
    meta = any_store.head("a")
    assert result.size == meta.size == len(DATA)
    assert result.etag == meta.etag


@pytest.mark.parametrize("size", [6 * MIB - 1, 6 * MIB, 6 * MIB + 1, 10 * MIB, 16 * MIB + 11])
def test_put_around_the_multipart_threshold(any_store: Store, size: int) -> None:
    whole = content(17 * MIB, seed=2)[:size]
    assert any_store.put("big", whole).size == size
    assert any_store.head("big").size == size
    assert any_store.get("big") == whole


def test_put_with_a_part_size_of_its_own(any_store: Store) -> None:
    whole = content(17 * MIB, seed=2)
    any_store.put("big", whole, part_size=8 * MIB)
    assert any_store.get("big") == whole


def test_put_any_contiguous_memory(any_store: Store) -> None:
    tensor = torch.arange(1000, dtype=torch.bfloat16)
    for data in (
        bytearray(DATA), memoryview(DATA)[10:500], array.array("d", [1.0, 2.0]), np.arange(100.0).reshape(10, 10),
        tensor.view(torch.uint8).numpy(),
    ):  # fmt: skip
        any_store.put("a", data)
        assert any_store.get("a") == memoryview(data).tobytes()
    any_store.put("a", tensor)
    assert any_store.get("a") == tensor.view(torch.uint8).numpy().tobytes()
    any_store.put("a", any_store.get("a"))
    assert any_store.get("a") == tensor.view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("data", ["text", None, 5, np.zeros((4, 4))[:, ::2]], ids=["text", "none", "number", "strided"])
def test_put_refuses_what_is_no_contiguous_memory(any_store: Store, data: object) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        any_store.put("a", data)
    assert not any_store.exists("a")


@pytest.mark.parametrize("size", [100, 11 * MIB])
def test_create_only_where_nothing_is(any_store: Store, size: int) -> None:
    whole = content(11 * MIB, seed=3)[:size]
    any_store.put("a", whole, if_none_match=True)
    with pytest.raises(ObjectExistsError) as caught:
        any_store.put("a", whole[::-1], if_none_match=True)
    assert isinstance(caught.value, FileExistsError)
    assert any_store.get("a") == whole


@pytest.mark.parametrize("size", [100, 11 * MIB])
def test_replace_only_the_known_one(place: Place, size: int) -> None:
    if size > MIB:
        place.needs("replace_by_parts")
    any_store = place.store
    whole = content(11 * MIB, seed=4)[:size]
    first = any_store.put("a", b"first")
    any_store.put("a", whole, if_match=first.etag)
    with pytest.raises(PreconditionError):
        any_store.put("a", b"x" * size, if_match=first.etag)
    assert any_store.get("a") == whole


def test_replace_of_nothing_is_an_error(any_store: Store) -> None:
    with pytest.raises((PreconditionError, ObjectNotFoundError)):
        any_store.put("none", b"x", if_match='"0123456789abcdef0123456789abcdef"')
    assert not any_store.exists("none")


def test_headers_and_metadata_come_back(place: Place) -> None:
    place.needs("metadata")
    place.store.put(
        "a", DATA, content_type="text/x-test", metadata={"epoch": "3", "note": "a b"}, content_encoding="x-none"
    )
    meta = place.store.head("a")
    assert meta.content_type == "text/x-test"
    assert meta.content_encoding == "x-none"
    assert meta.user_metadata == {"epoch": "3", "note": "a b"}
    place.store.put("big", content(11 * MIB, seed=3), content_type="text/x-big", metadata={"epoch": "4"})
    meta = place.store.head("big")
    assert (meta.content_type, meta.user_metadata) == ("text/x-big", {"epoch": "4"})


@pytest.mark.parametrize("bad", ["a\r\nx-evil: 1", "a\nb", "a\0b"])
def test_no_header_can_be_smuggled_in(place: Place, bad: str) -> None:
    place.needs("metadata")
    any_store = place.store
    with pytest.raises(ValueError, match=r"(?i)content.type|header"):
        any_store.put("a", b"x", content_type=bad)
    with pytest.raises(ValueError, match=r"(?i)meta|header"):
        any_store.put("a", b"x", metadata={"name": bad})
    with pytest.raises(ValueError, match=r"(?i)meta|header"):
        any_store.put("a", b"x", metadata={bad: "value"})
    assert not any_store.exists("a")


def test_put_many(any_store: Store) -> None:
    items = [(f"many/{index:03d}", DATA[index : index + 1000]) for index in range(30)]
    results = any_store.put_many(iter(items), max_in_flight=5)
    assert [result.size for result in results] == [1000] * 30
    assert [bytes(data) for data in any_store.get_many([key for key, _ in items])] == [data for _, data in items]


def test_put_many_raises_a_failure(any_store: Store) -> None:
    with pytest.raises((StorageError, ValueError)):
        any_store.put_many([("good", b"1"), ("", b"2")])


ODD_KEYS = [
    "a b", "a+b", "a%20b", "100%", "ünïcødé/日本", "😀", "q?x=1&y=2", "#hash", "~tilde", "semi;colon", "eq=al", "at@",
    "quote'\"", "<xml>&amp;", "back\\slash", "(paren)[bracket]{brace}", "comma,", "star*", "dollar$", "bar|", "caret^",
    "dot.", ".hidden", "a/b/c/d/e", "...", "a...b", "x" * 200, "tick`", "colon:",
]  # fmt: skip


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_are_opaque(place: Place, key: str) -> None:
    if "\\" in key:
        place.needs("backslash")
    any_store = place.store
    data = b"<" + key.encode() + b">"
    any_store.put(key, data)
    assert any_store.get(key) == data
    assert any_store.get_range(key, start=1, end=3) == data[1:3]
    assert any_store.head(key).size == len(data)
    assert [meta.key for meta in any_store.list()] == [key]
    any_store.copy(key, "copied")
    assert any_store.get("copied") == data
    any_store.delete([key, "copied"])
    assert list(any_store.list()) == []


HOSTILE_KEYS = [
    "a//b",
    "/lead",
    "a/",
    "a/./b",
    "a/../b",
    "..",
    "../x",
    ".",
    "a/..",
    "//",
    "k" * 1000,
    "tab\tkey",
    "line\nkey",
    "\x01\x7f",
]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_nothing_in_a_key_is_collapsed(place: Place, key: str) -> None:
    place.needs("any_key")
    if "\n" in key:
        place.needs("newlines")
    store = place.reopen()
    store.put(key, b"hostile")
    assert store.get(key) == b"hostile"
    assert store.head(key).size == 7
    assert [meta.key for meta in store.list()] == [key]
    store.delete(key)
    assert not store.exists(key)


@pytest.mark.parametrize("key", ["a\0b", "k" * 1025, "\ud800"])
def test_impossible_keys_are_refused(any_store: Store, key: str) -> None:
    for call in (lambda: any_store.put(key, b"x"), lambda: any_store.get(key), lambda: any_store.head(key)):
        with pytest.raises(ValueError, match=r"."):
            call()


def test_nothing_is_written_under_the_empty_key(any_store: Store) -> None:
    """On object stores it names the marker of the store's own prefix; elsewhere nothing."""
    with pytest.raises(ValueError, match="empty"):
        any_store.put("", b"x")
    for call in (lambda: any_store.get(""), lambda: any_store.head("")):
        with pytest.raises((ValueError, ObjectNotFoundError)):
            call()
