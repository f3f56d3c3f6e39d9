"""zarr's own store over an fsspec filesystem that asks ours: arrays, and parts of objects where none are left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from fsspec.asyn import AsyncFileSystem
from servers.access import credentials_of
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore
from zarr.testing.store import StoreTests

from s3dlio_core import Tuning, open_store

ROOT = "root"  # the zarr store's place below the filesystem's


class ObjectFileSystem(AsyncFileSystem):  # type: ignore[misc]
    """The coroutines that zarr calls, each one or two calls of a Store's."""

    cachable = False

    def __init__(self, uri: str, asynchronous: bool = True, **options: Any) -> None:
        super().__init__(asynchronous=asynchronous, skip_instance_cache=True)
        self.objects = open_store(uri, tuning=Tuning(sync_writes=False), **options)

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        if start is None and end is None:
            return bytes(await self.objects.get_async(path))
        if start is not None and start < 0:
            start = max(0, (await self.objects.head_async(path)).size + start)
        return bytes(await self.objects.get_range_async(path, start=start or 0, end=end))

    async def _pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        await self.objects.put_async(path, value)

    async def _rm_file(self, path: str, **_: Any) -> None:
        await self.objects.delete_async(path)

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        if await self.objects.exists_async(path):
            return {"name": path, "size": (await self.objects.head_async(path)).size, "type": "file"}
        await self._ls(path)
        return {"name": path, "size": 0, "type": "directory"}

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = path.rstrip("/")
        found = await self.objects.list_with_delimiter_async(f"{path}/")
        listed = [{"name": item.key, "size": item.size, "type": "file"} for item in found.objects]
        listed += [{"name": prefix.rstrip("/"), "size": 0, "type": "directory"} for prefix in found.common_prefixes]
        if not listed:
            raise FileNotFoundError(path)
        return listed if detail else [item["name"] for item in listed]


@pytest.fixture(params=["file", "seaweedfs"])
def filesystem(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Iterator[ObjectFileSystem]:
    if request.param == "file":
        found = ObjectFileSystem(f"file://{tmp_path}/")
    else:
        server = request.getfixturevalue("seaweedfs")
        found = ObjectFileSystem(f"s3://train/{name}/", **credentials_of(server))
    yield found
    found.objects.close()


# Some lie within the ten bytes, some reach past their end, some start there or behind it.
PARTS: list[ByteRequest] = [
    *(RangeByteRequest(start, end) for start, end in [(0, 1), (3, 7), (0, 10), (8, 99), (10, 12), (50, 60)]),
    *(OffsetByteRequest(offset) for offset in (0, 4, 9, 10, 11)),
    *(SuffixByteRequest(suffix) for suffix in (1, 10, 30)),
]


@pytest.mark.parametrize("content", [b"0123456789", b""], ids=["ten bytes", "none"])
def test_parts_are_what_zarrs_own_store_reads(filesystem: ObjectFileSystem, tmp_path: Path, content: bytes) -> None:
    """Where no byte is left ours raises; zarr takes it for an empty part if it is an OSError of the right text."""
    ours, plain = FsspecStore(filesystem, path=ROOT), LocalStore(tmp_path / "plain")
    prototype = default_buffer_prototype()
    asked = [("a/b", part) for part in PARTS] + [("a/b", None), ("none", None), ("none", PARTS[0])]
    read = []
    for store in (ours, plain):
        sync(store.set("a/b", cpu.Buffer.from_bytes(content)))
        one_by_one = [sync(store.get(key, prototype, part)) for key, part in asked]
        together = sync(store.get_partial_values(prototype, asked[:-2]))
        read.append([None if found is None else found.to_bytes() for found in (*one_by_one, *together)])
    assert read[0] == read[1]
    assert read[0].count(None) == 2  # what is missing is no empty part
    assert content[3:7] in read[0]


def test_arrays(filesystem: ObjectFileSystem, tmp_path: Path) -> None:
    """A shard is read by parts of its object, the index from the end first; untouched chunks are no objects."""
    data = np.random.default_rng(7).normal(size=(60, 50)).astype("float32")
    store = FsspecStore(filesystem, path=ROOT)
    group = zarr.create_group(store, attributes={"made": "here"})
    whole = group.create_array("whole", data=data, chunks=(20, 20))
    shards = group.create_array(
        "deep/shards", shape=(120, 50), dtype="float32", shards=(40, 50), chunks=(10, 10), fill_value=3
    )
    shards[:60] = data
    whole[5:30, 7] = 1.0
    data_of_whole = data.copy()
    data_of_whole[5:30, 7] = 1.0

    again = zarr.open_group(store, mode="r")
    assert again.attrs["made"] == "here"
    assert sorted(again.keys()) == ["deep", "whole"]
    np.testing.assert_array_equal(again["whole"][:], data_of_whole)
    np.testing.assert_array_equal(again["deep/shards"][13:17, 21:43], data[13:17, 21:43])
    np.testing.assert_array_equal(again["deep/shards"][58:], np.concatenate([data[58:], np.full((60, 50), 3)]))

    # Byte for byte what zarr itself lays into a folder.
    plain = LocalStore(tmp_path / "plain")
    sync(plain.set("zarr.json", sync(store.get("zarr.json", default_buffer_prototype()))))
    copied = zarr.open_group(plain).create_array("whole", data=data_of_whole, chunks=(20, 20))
    assert copied.nchunks == 9
    for key in sync(_all(plain.list())):
        assert filesystem.objects.get(f"{ROOT}/{key}") == (tmp_path / "plain" / key).read_bytes()


async def _all(keys: Any) -> list[str]:
    return [key async for key in keys]


class TestAsZarrTestsItsOwn(StoreTests[FsspecStore, cpu.Buffer]):
    """The tests that zarr runs over each store of its own, over files."""

    store_cls = FsspecStore
    buffer_cls = cpu.Buffer
    # For stores that can be asked without an event loop, as zarr's stores over fsspec cannot.
    test_get_sync = test_get_sync_missing = test_set_sync = test_delete_sync = test_delete_sync_missing = None

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"fs": ObjectFileSystem(f"file://{tmp_path}/"), "path": ROOT}

    async def set(self, store: FsspecStore, key: str, value: cpu.Buffer) -> None:
        store.fs.objects.put(f"{ROOT}/{key}", value.to_bytes())

    async def get(self, store: FsspecStore, key: str) -> cpu.Buffer:
        return self.buffer_cls.from_bytes(bytes(store.fs.objects.get(f"{ROOT}/{key}")))

    def test_store_repr(self, store: FsspecStore) -> None:
        assert "ObjectFileSystem" in repr(store)

    def test_store_supports_writes(self, store: FsspecStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: FsspecStore) -> None:
        assert store.supports_listing
