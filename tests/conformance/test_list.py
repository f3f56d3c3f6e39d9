"""Listing: order, literal prefixes, folding at a delimiter, resuming after a key."""

from __future__ import annotations

import time

from servers.access import Place

from s3dlio_core import Store

# No key is also a folder of another: a file system could not hold both.
KEYS = ["a-b", "a.b", "a/1", "a/2", "a/b/1", "a/b/c/2", "aa", "b/1", "ba", "c d/e f", "z", "ü"]


def fill(store: Store) -> None:
    store.put_many([(key, key.encode() * 3) for key in reversed(KEYS)])


def keys_of(store: Store, prefix: str = "", start_after: str | None = None) -> list[str]:
    return [meta.key for meta in store.list(prefix, start_after=start_after)]


def test_empty_place_lists_nothing(any_store: Store) -> None:
    assert keys_of(any_store) == []
    assert keys_of(any_store, "no/such/") == []
    folded = any_store.list_with_delimiter()
    assert (list(folded.objects), list(folded.common_prefixes)) == ([], [])


def test_keys_ascend_in_byte_order(any_store: Store) -> None:
    fill(any_store)
    assert keys_of(any_store) == sorted(KEYS, key=str.encode)


def test_listing_describes_objects(any_store: Store) -> None:
    fill(any_store)
    for meta in any_store.list("a/"):
        head = any_store.head(meta.key)
        assert meta.size == head.size == 3 * len(meta.key)
        assert meta.etag == head.etag
        assert abs(meta.last_modified - time.time()) < 120
        assert abs(meta.last_modified - head.last_modified) < 2


def test_prefix_is_literal(any_store: Store) -> None:
    fill(any_store)
    for prefix in ["a", "a/", "a/b", "a/b/", "b", "c d/", "ü", "a*", "[a]", "nothing", "z", "zz"]:
        wanted = [key for key in sorted(KEYS, key=str.encode) if key.startswith(prefix)]
        assert keys_of(any_store, prefix) == wanted, prefix


def test_start_after_is_exclusive(place: Place) -> None:
    place.needs("start_after")
    any_store = place.store
    fill(any_store)
    ordered = sorted(KEYS, key=str.encode)
    for after in [*ordered, "", "a", "a/", "a/0", "a/b", "b", "zz", "\U0010ffff"]:
        wanted = [key for key in ordered if key.encode() > after.encode()]
        assert keys_of(any_store, start_after=after or None) == wanted, after


def test_prefix_and_start_after_together(any_store: Store) -> None:
    fill(any_store)
    assert keys_of(any_store, "a/", start_after="a/1") == ["a/2", "a/b/1", "a/b/c/2"]
    assert keys_of(any_store, "a/", start_after="b") == []


def test_delimiter_folds(any_store: Store) -> None:
    fill(any_store)
    top = any_store.list_with_delimiter()
    assert [meta.key for meta in top.objects] == ["a-b", "a.b", "aa", "ba", "z", "ü"]
    assert list(top.common_prefixes) == ["a/", "b/", "c d/"]
    below = any_store.list_with_delimiter("a/")
    assert [meta.key for meta in below.objects] == ["a/1", "a/2"]
    assert list(below.common_prefixes) == ["a/b/"]


def test_prefix_of_the_store_is_not_part_of_keys(place: Place) -> None:
    fill(place.store)
    below = place.reopen("a/")
    assert keys_of(below) == ["1", "2", "b/1", "b/c/2"]
    assert keys_of(below, "b") == ["b/1", "b/c/2"]
    assert keys_of(below, start_after="2") == ["b/1", "b/c/2"]
    assert list(below.list_with_delimiter().common_prefixes) == ["b/"]
    assert bytes(below.get("b/1")) == b"a/b/1" * 3
    assert keys_of(place.reopen("a")) == ["1", "2", "b/1", "b/c/2"]  # a store's prefix ends where a "/" is


def test_more_keys_than_a_page(any_store: Store) -> None:
    keys = [f"page/{index:05d}" for index in range(1203)]
    any_store.put_many([(key, b"") for key in [*keys, "pagf", "pags"]])
    assert keys_of(any_store) == [*keys, "pagf", "pags"]
    assert keys_of(any_store, "page/", start_after="page/00999") == keys[1000:]


async def test_later_pages_are_of_the_same_prefix(any_store: Store) -> None:
    keys = [f"page/{index:05d}" for index in range(1001)]
    any_store.put_many([(key, b"") for key in [*keys, "pagf", "pags"]])
    assert keys_of(any_store, "page/") == keys
    assert [meta.key async for meta in any_store.list_async("page/")] == keys
    assert [meta.key for meta in any_store.list_with_delimiter("page/").objects] == keys


def test_listing_can_be_left_early(any_store: Store) -> None:
    fill(any_store)
    listing = any_store.list()
    assert next(listing).key == "a-b"
    del listing
    assert len(keys_of(any_store)) == len(KEYS)
