"""Objects as files: a writer that shows nothing before it closes, a reader that seeks."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from servers.access import Place
from servers.content import MIB, content
from waiting import wait_until

from s3dlio_core import ClosedError, ObjectExistsError, ObjectNotFoundError, Store

WHOLE = content(17 * MIB + 77, seed=7)


def write_in_pieces(store: Store, key: str, data: bytes, piece: int, **options: object) -> None:
    with store.open_writer(key, **options) as writer:
        for start in range(0, len(data), piece):
            assert writer.write(data[start : start + piece]) == len(data[start : start + piece])


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 17 * MIB + 77])
def test_writer_stores_what_was_written(any_store: Store, size: int) -> None:
    write_in_pieces(any_store, "w", WHOLE[:size], 777_777)
    assert any_store.get("w") == WHOLE[:size]
    assert any_store.head("w").size == size


@pytest.mark.parametrize("piece", [4096, 100_001, 20 * MIB])
def test_writer_takes_pieces_of_any_size(any_store: Store, piece: int) -> None:
    write_in_pieces(any_store, "w", WHOLE, piece)
    assert any_store.get("w") == WHOLE


def test_written_memory_may_be_reused_at_once(any_store: Store) -> None:
    scratch = bytearray(300_000)
    with any_store.open_writer("w") as writer:
        for index in range(40):
            scratch[:] = bytes([index]) * len(scratch)
            writer.write(scratch)
    assert any_store.get("w") == b"".join(bytes([index]) * 300_000 for index in range(40))


@pytest.mark.parametrize("size", [100, 11 * MIB])
def test_nothing_is_visible_before_close(any_store: Store, size: int) -> None:
    writer = any_store.open_writer("w")
    writer.write(WHOLE[:size])
    assert not any_store.exists("w")
    assert list(any_store.list()) == []
    writer.close()
    assert any_store.get("w") == WHOLE[:size]


@pytest.mark.parametrize("size", [0, 100, 11 * MIB])
def test_exception_in_the_block_aborts_and_goes_on(any_store: Store, size: int) -> None:
    any_store.put("w", b"before")
    with pytest.raises(RuntimeError, match="of the user's"):
        with any_store.open_writer("w") as writer:
            writer.write(WHOLE[:size])
            raise RuntimeError("of the user's")
    assert any_store.get("w") == b"before"
    assert any_store.sweep_uploads(older_than_seconds=0) == 0, "an upload was left behind"


def test_abort_leaves_nothing(any_store: Store) -> None:
    writer = any_store.open_writer("w")
    writer.write(WHOLE[: 11 * MIB])
    writer.abort()
    writer.abort()
    assert not any_store.exists("w")
    assert any_store.sweep_uploads(older_than_seconds=0) == 0
    with pytest.raises((ClosedError, ValueError)):
        writer.write(b"more")


def test_writer_is_done_after_close(any_store: Store) -> None:
    writer = any_store.open_writer("w")
    writer.write(b"x")
    writer.close()
    writer.close()
    assert writer.closed
    with pytest.raises((ClosedError, ValueError)):
        writer.write(b"more")
    writer.abort()
    assert any_store.get("w") == b"x"


@pytest.mark.parametrize("size", [10, 11 * MIB])
def test_writer_keeps_conditions(any_store: Store, size: int) -> None:
    any_store.put("w", b"before")
    with pytest.raises(ObjectExistsError):
        write_in_pieces(any_store, "w", WHOLE[:size], MIB, if_none_match=True)
    assert any_store.get("w") == b"before"
    assert any_store.sweep_uploads(older_than_seconds=0) == 0


def test_sweep_takes_away_what_a_dead_writer_left(place: Place) -> None:
    place.needs("upload_age")
    any_store = place.store
    if any_store.scheme != "s3":
        pytest.skip("a file store's temporary belongs to a living process here, so it stays")
    writer = any_store.open_writer("orphan")
    for start in range(0, 17 * MIB, MIB):  # several parts
        writer.write(WHOLE[start : start + MIB])
    assert any_store.sweep_uploads(older_than_seconds=3600) == 0
    assert any_store.sweep_uploads("other", older_than_seconds=0) == 0
    wait_until(lambda: any_store.sweep_uploads("orph", older_than_seconds=0) == 1)  # once the service knows of it
    writer.abort()


def test_reader_reads_like_a_file(any_store: Store) -> None:
    any_store.put("r", WHOLE[:100_000])
    with any_store.open_reader("r") as reader:
        twin = io.BytesIO(WHOLE[:100_000])
        assert reader.size == 100_000
        assert reader.key == "r"
        assert reader.readable()
        assert reader.seekable()
        assert not reader.writable()
        steps = [("read", 10), ("seek", 50_000), ("read", 7), ("seek", 0), ("read", 0), ("seek", 99_990), ("read", 50)]
        for step in steps:
            assert getattr(reader, step[0])(step[1]) == getattr(twin, step[0])(step[1]), step
            assert reader.tell() == twin.tell()
        assert reader.read(5) == b""
        assert reader.seek(-10, io.SEEK_END) == 99_990
        assert reader.read() == WHOLE[99_990:100_000]
        assert reader.seek(-5, io.SEEK_CUR) == 99_995
        assert reader.seek(200_000) == 200_000
        assert reader.read(1) == b""
        with pytest.raises((ValueError, OSError)):
            reader.seek(-1)


def test_reader_fills_memory_of_the_callers(any_store: Store) -> None:
    any_store.put("r", WHOLE[:10_000])
    with any_store.open_reader("r") as reader:
        scratch = bytearray(3000)
        pieces = []
        while count := reader.readinto(scratch):
            pieces.append(bytes(scratch[:count]))
        assert b"".join(pieces) == WHOLE[:10_000]


def test_small_reads_through_a_buffer(any_store: Store) -> None:
    any_store.put("r", WHOLE)
    with io.BufferedReader(any_store.open_reader("r"), 256 * 1024) as reader:
        got = b"".join(iter(lambda: reader.read(100_003), b""))
    assert got == WHOLE


def test_reader_of_the_empty_object(any_store: Store) -> None:
    any_store.put("r", b"")
    with any_store.open_reader("r") as reader:
        assert reader.read() == b""
        assert reader.size == 0


def test_reader_of_nothing_is_not_found(any_store: Store) -> None:
    with pytest.raises(ObjectNotFoundError):
        any_store.open_reader("none").read(1)


def test_reader_is_done_after_close(any_store: Store) -> None:
    any_store.put("r", b"x")
    reader = any_store.open_reader("r")
    reader.close()
    reader.close()
    assert reader.closed
    with pytest.raises(ValueError, match=r"."):
        reader.read(1)


def test_numpy_saves_and_loads(any_store: Store) -> None:
    array = np.arange(500_000, dtype=np.float64).reshape(100, -1)
    with any_store.open_writer("a.npy") as writer:
        np.save(writer, array)
    with any_store.open_reader("a.npy") as reader:
        assert np.array_equal(np.load(reader), array)


def test_torch_saves_and_loads(any_store: Store) -> None:
    state = {"weight": torch.randn(300, 400), "half": torch.ones(7, dtype=torch.bfloat16), "step": 5}
    with any_store.open_writer("m.pt") as writer:
        torch.save(state, writer)
    with any_store.open_reader("m.pt") as reader:
        loaded = torch.load(reader, weights_only=True)
    assert torch.equal(loaded["weight"], state["weight"])
    assert torch.equal(loaded["half"], state["half"])
    assert loaded["step"] == 5


def test_zip_archives(any_store: Store) -> None:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(20):
            archive.writestr(f"f{index}.bin", WHOLE[index * 1000 : index * 1000 + 5000])
    any_store.put("a.zip", plain.getvalue())
    with zipfile.ZipFile(io.BufferedReader(any_store.open_reader("a.zip"))) as archive:
        assert archive.testzip() is None
        assert archive.read("f7.bin") == WHOLE[7000:12_000]


def test_text_through_wrappers(any_store: Store) -> None:
    with any_store.open_writer("t.jsonl") as writer:
        for index in range(1000):
            writer.write(json.dumps({"n": index}).encode() + b"\n")
    with io.TextIOWrapper(io.BufferedReader(any_store.open_reader("t.jsonl"))) as reader:
        assert [json.loads(line)["n"] for line in reader] == list(range(1000))
