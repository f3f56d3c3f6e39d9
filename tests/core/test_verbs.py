"""The verbs by URI, over files. (What each verb does: tests/conformance, over Store.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.fault_server import FaultServer

import s3dlio_core as s3dlio
import s3dlio_torch._stores
from s3dlio_core import InvalidArgumentError, ObjectNotFoundError
from s3dlio_core.verbs import store_at


@pytest.fixture
def base(tmp_path: Path) -> str:
    return f"file://{tmp_path}/"


def test_put_get_stat_delete(base: str) -> None:
    uri = base + "sub/a.bin"
    assert s3dlio.put(uri, b"0123456789").size == 10
    assert s3dlio.get(uri) == b"0123456789"
    assert s3dlio.get_range(uri, start=2, end=5) == b"234"
    out = bytearray(4)
    assert s3dlio.get_into(uri, out, offset=3) == 4
    assert out == b"3456"
    meta = s3dlio.stat(uri)
    assert (meta.key, meta.uri, meta.size) == ("a.bin", uri, 10)
    assert s3dlio.exists(uri)
    s3dlio.delete(uri)
    s3dlio.delete(uri)
    assert not s3dlio.exists(uri)
    with pytest.raises(ObjectNotFoundError, match=uri):
        s3dlio.get(uri)


async def test_twins(base: str) -> None:
    uri = base + "a.bin"
    await s3dlio.put_async(uri, b"0123456789")
    assert await s3dlio.get_async(uri) == b"0123456789"
    assert await s3dlio.get_range_async(uri, start=2, end=5) == b"234"
    assert await s3dlio.get_into_async(uri, bytearray(4)) == 4
    assert (await s3dlio.stat_async(uri)).size == 10
    assert await s3dlio.exists_async(uri)
    await s3dlio.copy_async(uri, base + "b.bin")
    assert [meta.uri async for meta in s3dlio.list_async(base)] == [uri, base + "b.bin"]
    await s3dlio.put_many_async([(base + "c", b"c"), (base + "d/e", b"e")])
    assert [bytes(data) for data in await s3dlio.get_many_async([base + "d/e", base + "c"])] == [b"e", b"c"]
    await s3dlio.delete_async([uri, base + "b.bin", base + "c", base + "d/e"])
    assert not await s3dlio.exists_async(uri)


def test_an_environment_corrected_in_the_process_is_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FaultServer() as old, FaultServer() as new:
        for server, data in ((old, b"old"), (new, b"new")):
            server.put_object("data", "a", data)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL", old.endpoint_url)
        assert s3dlio.get("s3://data/a") == b"old"
        kept = store_at("s3://data/a")[0]
        monkeypatch.setenv("SOMETHING_ELSE", "x")
        assert store_at("s3://data/a")[0] is kept
        monkeypatch.setenv("AWS_ENDPOINT_URL", new.endpoint_url)
        assert s3dlio.get("s3://data/a") == b"new"
        assert s3dlio_torch._stores.Stores(None, {}).at("s3://data/a", "load")[0].get("a") == b"new"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
        assert s3dlio.get("s3://data/a") == b"new"
        assert "Credential=second/" in new.requests[-1].headers["authorization"]
        config = tmp_path / "config"
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        for server, data in ((old, b"old"), (new, b"new")):
            config.write_text(f"[default]\nendpoint_url = {server.endpoint_url}\n# {server.port}{data!r}\n")
            assert s3dlio.get("s3://data/a") == data
        s3dlio.close_stores()


def test_many_over_several_stores(base: str) -> None:
    items = [(f"{base}{'abc'[index % 3]}/k{index}", bytes([index])) for index in range(30)]
    assert [result.size for result in s3dlio.put_many(iter(items), max_in_flight=4)] == [1] * 30
    uris = [uri for uri, _ in items]
    assert [bytes(data) for data in s3dlio.get_many(reversed(uris))] == [data for _, data in reversed(items)]
    with pytest.raises(InvalidArgumentError, match="max_in_flight"):
        s3dlio.get_many(uris, max_in_flight=0)
    s3dlio.delete(uris)
    assert not any(map(s3dlio.exists, uris))


def test_listing_names_whole_uris(base: str) -> None:
    s3dlio.put_many([(base + name, b"") for name in ("data/a", "data/b", "database")])
    assert [meta.uri for meta in s3dlio.list(base + "data/")] == [base + "data/a", base + "data/b"]
    assert [meta.uri for meta in s3dlio.list(base + "data")] == [base + "data/a", base + "data/b", base + "database"]
    assert [meta.uri for meta in s3dlio.list(base + "data/", start_after=base + "data/a")] == [base + "data/b"]
    with pytest.raises(InvalidArgumentError, match="start_after"):
        s3dlio.list(base + "data/", start_after="s3://elsewhere/a")


def test_copy_between_folders(base: str) -> None:
    s3dlio.put(base + "a/x", b"data")
    s3dlio.copy(base + "a/x", base + "b/y")
    s3dlio.copy(base + "a/x", base + "a/z")
    assert s3dlio.get(base + "b/y") == s3dlio.get(base + "a/z") == b"data"
    with pytest.raises(ObjectNotFoundError):
        s3dlio.copy(base + "a/none", base + "b/none")
    assert not s3dlio.exists(base + "b/none")


def test_link_named_by_the_caller_is_followed(base: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").write_bytes(b"data")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "real/x")
    assert s3dlio.get(base + "here/link") == b"data"
    s3dlio.put(base + "here/link", b"replaced")
    assert (tmp_path / "real/x").read_bytes() == b"data"
    assert s3dlio.get(base + "here/link") == b"replaced"


def test_stores_are_kept_and_closed(base: str) -> None:
    from s3dlio_core.verbs import store_at

    first, key = store_at(base + "a")
    assert key == "a"
    assert store_at(base + "b")[0] is first
    s3dlio.close_stores()
    assert store_at(base + "b")[0] is not first
    with pytest.raises(s3dlio.ClosedError):
        first.get("a")
