"""F4, F6: a full disk, files that shrink or change while they are read, folders where files belong."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.content import MIB, content
from servers.guarded import Guarded
from small_disk import small_disk

from s3dlio_core import (
    InvalidArgumentError,
    IsADirectoryStorageError,
    NoSpaceError,
    NotADirectoryStorageError,
    ObjectNotFoundError,
    PreconditionError,
    StorageError,
    Store,
    Tuning,
    UnsupportedOperationError,
    open_store,
)

DATA = content(9 * MIB + 3, seed=29)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk(tmp_path / "tiny", "4m") as folder:
        yield folder


@pytest.fixture(params=["file", "direct"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(scheme: str, tmp_path: Path) -> Iterator[Store]:
    with open_store(f"{scheme}://{tmp_path}/root", tuning=Tuning(part_size=MIB, sync_writes=False)) as store:
        yield store


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("way", ["put", "writer", "copy"])
def test_f4_full_disk_keeps_the_old_file(tiny_disk: Path, scheme: str, way: str) -> None:
    with open_store(f"{scheme}://{tiny_disk}", tuning=Tuning(part_size=MIB)) as store:
        store.put("a", b"before")
        store.put("source", DATA[: 3 * MIB])
        with pytest.raises(NoSpaceError) as caught:
            if way == "put":
                store.put("a", DATA)
            elif way == "copy":
                store.copy("source", "a")
            else:
                with store.open_writer("a") as writer:
                    for start in range(0, len(DATA), MIB):
                        writer.write(DATA[start : start + MIB])
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == errno.ENOSPC
        assert "a" in caught.value.uri
        assert store.get("a") == b"before"
        assert files_below(tiny_disk) == ["a", "source"], "a temporary was left behind"
        store.delete("source")
        store.put("a", DATA[: 2 * MIB])
        assert store.get("a") == DATA[: 2 * MIB]


def test_f6_file_shorter_than_it_was(store: Store, tmp_path: Path) -> None:
    """What the caller knew of the size no longer holds: an error or the true bytes, never a crash or made-up bytes."""
    store.put("a", DATA)
    path = tmp_path / "root" / "a"
    meta = store.head("a")
    os.truncate(path, 5 * MIB)
    with pytest.raises(StorageError):
        store.get("a", size=meta.size, if_match=meta.etag)
    guarded = Guarded(len(DATA))
    assert store.get_into("a", guarded.view) == 5 * MIB
    assert bytes(guarded) == DATA[: 5 * MIB] + b"\xee" * (len(DATA) - 5 * MIB)
    guarded.check()


def test_f6_file_truncated_while_read(store: Store, tmp_path: Path) -> None:
    import threading

    path = tmp_path / "root" / "a"
    stop = threading.Event()

    def shrink_and_grow() -> None:
        while not stop.is_set():
            os.truncate(path, 10)
            path.write_bytes(DATA)

    store.put("a", DATA)
    thread = threading.Thread(target=shrink_and_grow)
    thread.start()
    guarded = Guarded(len(DATA))
    try:
        for _ in range(30):
            try:
                count = store.get_into("a", guarded.view)
            except StorageError:
                pass
            else:
                # A hole may have been read while the file was rewritten in place; what counts is that nothing else was.
                assert 0 <= count <= len(DATA)
            guarded.check()
    finally:
        stop.set()
        thread.join()
    assert store.get("a") == DATA


def test_f6_file_replaced_while_read_is_one_or_the_other(store: Store) -> None:
    import threading

    versions = [bytes([value]) * (3 * MIB) for value in range(4)]
    stop = threading.Event()

    def replace() -> None:
        index = 0
        while not stop.is_set():
            index += 1
            store.put("a", versions[index % 4])

    store.put("a", versions[0])
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(40):
            try:
                data = bytes(store.get("a"))
            except StorageError:
                continue
            assert data in versions, "generations were mixed"
    finally:
        stop.set()
        thread.join()


def test_folder_where_a_file_is_needed(store: Store) -> None:
    store.put("folder/file", b"x")
    for call in (lambda: store.get("folder"), lambda: store.put("folder", b"x")):
        with pytest.raises((IsADirectoryStorageError, ObjectNotFoundError)):
            call()
    with pytest.raises(IsADirectoryError):
        store.put("folder", b"x")
    assert store.get("folder/file") == b"x"


def test_file_where_a_folder_is_needed(store: Store) -> None:
    store.put("file", b"x")
    with pytest.raises(NotADirectoryStorageError):
        store.put("file/below", b"y")
    with pytest.raises((ObjectNotFoundError, NotADirectoryStorageError)):
        store.get("file/below")
    assert not store.exists("file/below")
    assert store.get("file") == b"x"


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "a/./b", "a//b", ".."])
def test_keys_do_not_leave_the_root(store: Store, tmp_path: Path, key: str) -> None:
    (tmp_path / "outside").write_bytes(b"not yours")
    with pytest.raises(InvalidArgumentError):
        store.put(key, b"x")
    with pytest.raises((InvalidArgumentError, ObjectNotFoundError)):
        store.get(key)
    assert (tmp_path / "outside").read_bytes() == b"not yours"


def test_root_that_is_a_file(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "plain").write_bytes(b"x")
    with pytest.raises(NotADirectoryStorageError):
        open_store(f"{scheme}://{tmp_path}/plain").put("a", b"x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(store: Store, tmp_path: Path) -> None:
    store.put("a", b"x")
    (tmp_path / "root" / "a").chmod(0)
    with pytest.raises(PermissionError):
        store.get("a")


def test_temporaries_are_not_listed_and_swept_by_age(store: Store, tmp_path: Path) -> None:
    writer = store.open_writer("w")
    writer.write(DATA)
    assert list(store.list()) == []
    assert files_below(tmp_path / "root") != ["w"]
    writer.close()
    assert files_below(tmp_path / "root") == ["w"]


def test_names_that_are_no_text_are_errors_of_a_listing_and_not_left_out(store: Store, tmp_path: Path) -> None:
    store.put("good", b"x")
    store.put("folder/good", b"x")
    root = os.fsencode(tmp_path / "root")
    odd = Path(os.fsdecode(root + b"/folder/bad\xff.bin"))
    odd.write_bytes(b"x")
    for listed in (store.list, lambda: store.list("folder/"), lambda: store.list_with_delimiter("folder/").objects):
        with pytest.raises(UnsupportedOperationError, match=r'"bad\\xff\.bin" is not UTF-8.*"folder/"'):
            list(listed())
    assert [meta.key for meta in store.list("good")] == ["good"]  # where no such name lies
    assert list(store.list_with_delimiter().common_prefixes) == ["folder/"]
    odd.unlink()
    Path(os.fsdecode(root + b"/folder/deep\xff")).mkdir()
    with pytest.raises(UnsupportedOperationError, match=r"deep\\xff"):
        list(store.list())


def test_files_whose_size_is_not_true_are_refused(tmp_path: Path) -> None:
    with open_store("file:///proc") as store, pytest.raises(UnsupportedOperationError, match="says that it has 0"):
        store.get("cpuinfo")
    with open_store("file:///sys/devices/system/cpu") as store, pytest.raises(PreconditionError, match="/sys"):
        store.get("online")
