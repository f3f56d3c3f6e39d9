"""Manifests: compact, the same for everybody, kept and found again."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import s3dlio_core
from s3dlio_core import RecordError, open_store
from s3dlio_core.loader import (
    ObjectManifest,
    PackedStrings,
    load_manifest,
    manifest_of_objects,
    manifest_of_prefix,
    pack,
    save_manifest,
    unpack,
)


@given(strings=st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_packed_strings_are_the_strings(strings: list[str]) -> None:
    packed = PackedStrings(strings)
    assert list(packed) == strings
    assert list(pickle.loads(pickle.dumps(packed))) == strings
    assert list(PackedStrings.of_parts(*packed.parts())) == strings


def test_ends_that_do_not_fit_are_refused() -> None:
    blob, ends = PackedStrings(["ab", "c"]).parts()
    with pytest.raises(ValueError, match="do not fit"):
        PackedStrings.of_parts(blob + b"x", ends)
    with pytest.raises(ValueError, match="do not fit"):
        PackedStrings.of_parts(blob, ends[::-1])


def test_ends_inside_a_character_are_refused() -> None:
    blob, ends = PackedStrings(["ä", "b"]).parts()
    ends[0] = 1
    with pytest.raises(ValueError, match="inside a character"):
        PackedStrings.of_parts(blob, ends)


@given(parts=st.lists(st.binary(max_size=3), max_size=4))
def test_keys_that_are_no_text_are_a_record_error(parts: list[bytes]) -> None:
    """A forged manifest, whose digest is right: no other error, neither now nor when a key is looked at."""
    forged = PackedStrings.__new__(PackedStrings)
    forged._blob, forged._ends = b"".join(parts), array("I", itertools.accumulate(map(len, parts)))
    store = open_store("file:///tmp/")
    stored = pack(ObjectManifest(store, forged, array("Q", bytes(8 * len(parts)))))
    try:
        manifest = unpack(stored, store, "here")
    except RecordError:
        with pytest.raises(UnicodeDecodeError):
            list(forged)
    else:
        assert [manifest.key(index).encode() for index in range(len(manifest))] == parts


PACKED = pack(ObjectManifest.of(open_store("file:///tmp/"), [("a/ä", 1), ("b", None)]))


@given(
    start=st.integers(0, len(PACKED)),
    cut=st.integers(0, 8),
    put=st.binary(max_size=8) | st.sampled_from([b"1e999", b"-1", b"9" * 5000, b"[" * 50_000, b"null", b'"\\ud800"']),
)
def test_no_change_of_a_manifest_leads_to_anything_but_a_record_error(start: int, cut: int, put: bytes) -> None:
    changed = PACKED[:start] + put + PACKED[start + cut :]
    try:
        manifest = unpack(changed, open_store("file:///tmp/"), "here")
    except RecordError:
        assert changed != PACKED
    else:
        assert [manifest.key(index) for index in range(len(manifest))] == ["a/ä", "b"]


def test_a_million_objects_stay_near_the_bytes_of_their_keys() -> None:
    program = """
import resource, sys
from s3dlio_core import open_store
from s3dlio_core.loader import ObjectManifest
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
store = open_store("file:///tmp/")
before = rss()
objects = ((f"train/part-{i % 1000:04d}/sample-{i:08d}.jpg", 150_000) for i in range(1_000_000))
manifest = ObjectManifest.of(store, objects)
assert len(manifest) == 1_000_000 and manifest.item(999_999).key.endswith("sample-00999999.jpg")
print(rss() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=110)
    assert int(done.stdout) < 2.2 * 1_000_000 * (37 + 4 + 8)  # keys, ends, sizes; and what growing them left behind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    for name, size in (("b", 3), ("a", 2), ("sub/c", 0)):
        (data / name).write_bytes(bytes(size))
    return data


def contents(manifest: object) -> list[tuple[str, int | None]]:
    assert isinstance(manifest, ObjectManifest)
    return [(manifest.key(i), manifest.size(i)) for i in range(len(manifest))]


def test_a_listing_ascends_and_survives_pickling(folder: Path) -> None:
    manifest = manifest_of_prefix(f"file://{folder}")
    assert contents(manifest) == [("a", 2), ("b", 3), ("sub/c", 0)]
    copied = pickle.loads(pickle.dumps(manifest))
    assert contents(copied) == contents(manifest)
    assert copied.digest == manifest.digest
    assert manifest.name(0) == f"{folder}/a"[1:]


def test_the_digest_tells_data_sets_apart(folder: Path) -> None:
    def digest() -> str:
        return manifest_of_prefix(f"file://{folder}/").digest

    first = digest()
    assert digest() == first
    (folder / "a").write_bytes(b"xyz")  # a size
    second = digest()
    (folder / "d").write_bytes(b"")  # a key
    assert len({first, second, digest()}) == 3


def test_objects_keep_their_order_and_are_not_asked_for(folder: Path) -> None:
    manifest = manifest_of_objects([f"file://{folder}/b", f"file://{folder}/none"])
    assert [key.rpartition("/")[2] for key, _ in contents(manifest)] == ["b", "none"]
    assert manifest.size(0) is None
    with pytest.raises(ValueError, match=r"must share scheme and bucket; found s3://a/ and s3://b/"):
        manifest_of_objects(["s3://a/x", "s3://b/y"])
    assert len(manifest_of_objects([])) == 0


@pytest.mark.parametrize("as_uri", [False, True])
def test_a_cached_listing_is_used_instead_of_listing(folder: Path, tmp_path: Path, as_uri: bool) -> None:
    cache = f"file://{tmp_path}/kept/train" if as_uri else str(tmp_path / "kept" / "train")
    first = manifest_of_prefix(f"file://{folder}/", cache=cache)
    (folder / "later").write_bytes(b"1")
    second = manifest_of_prefix(f"file://{folder}/", cache=cache)
    assert contents(second) == contents(first)
    assert second.digest == first.digest
    os.remove(tmp_path / "kept" / "train")
    assert len(manifest_of_prefix(f"file://{folder}/", cache=cache)) == 4


def test_a_manifest_beside_the_data_is_no_sample(folder: Path) -> None:
    cache = f"file://{folder}/.s3dlio-manifest"
    manifest_of_prefix(f"file://{folder}/", cache=cache)
    assert len(manifest_of_prefix(f"file://{folder}/")) == 3


def test_every_damaged_byte_of_a_kept_manifest_is_noticed(folder: Path) -> None:
    manifest = manifest_of_prefix(f"file://{folder}/")
    assert isinstance(manifest, ObjectManifest)
    data = pack(manifest)
    assert contents(unpack(data, manifest.store, "here")) == contents(manifest)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x04
        with pytest.raises(RecordError, match="here"):
            found = unpack(bytes(damaged), manifest.store, "here")
            assert contents(found) != contents(manifest), f"byte {position} changed nothing"
            pytest.fail(f"byte {position} went unnoticed")
    for size in range(len(data)):
        with pytest.raises(RecordError, match="here"):
            unpack(data[:size], manifest.store, "here")


def test_a_manifest_of_another_place_is_refused(folder: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    manifest_of_prefix(f"file://{folder}/", cache=cache)
    with pytest.raises(RecordError, match=r"is of file://.*/data/; expected file://.*/data/sub/"):
        manifest_of_prefix(f"file://{folder}/sub/", cache=cache)


def test_no_cache_is_no_error_and_a_failing_store_is(folder: Path, tmp_path: Path) -> None:
    store = open_store(f"file://{folder}/")
    assert load_manifest(str(tmp_path / "none"), store) is None
    with pytest.raises(s3dlio_core.StorageError):
        load_manifest(str(folder / "a" / "below-a-file"), store)
    manifest = manifest_of_prefix(f"file://{folder}/")
    assert isinstance(manifest, ObjectManifest)
    with pytest.raises(s3dlio_core.StorageError):
        save_manifest(str(folder / "a" / "below-a-file"), manifest)
