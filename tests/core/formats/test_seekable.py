"""Our files answer as Python's own do: io.BytesIO, an unbuffered file, io.BufferedReader."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import s3dlio_core
from s3dlio_core.formats.seekable import SeekableFile
from s3dlio_torch import SampleReader
from s3dlio_torch.readers import RangeReader

SIZE = 20_000
DATA = bytes((index * 31 + index // 251) % 256 for index in range(SIZE))
FAR = 1 << 40  # what every file system can seek to


class Held(SeekableFile):
    def bytes_at(self, start: int, end: int) -> memoryview:
        return memoryview(DATA)[start:end]


# seekable() is left to the end: an unbuffered file of Python's denies it after a seek that failed.
# A pair of files that must not differ, by name: ours and Python's.
Pair = tuple[Any, Any]
# ruff: noqa: SIM115
PAIRS: dict[str, Callable[[Path], Pair]] = {
    "sample": lambda path: (SampleReader(DATA, "b", "k"), io.BytesIO(DATA)),
    "object": lambda path: (opened(path).open_reader(path.name), open(path, "rb", buffering=0)),
    "object, nothing ahead": lambda path: (
        opened(path).open_reader(path.name, read_ahead_bytes=0), open(path, "rb", buffering=0)
    ),
    "ranges": lambda path: (RangeReader(opened(path), path.name, 3000), open(path, "rb")),
    "held": lambda path: (Held(SIZE), open(path, "rb", buffering=0)),
}  # fmt: skip


def opened(path: Path) -> s3dlio_core.Store:
    return s3dlio_core.open_store(f"file://{path.parent}/")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("seekable") / "data.bin"
    place.write_bytes(DATA)
    return place


numbers = st.one_of(
    st.integers(-SIZE - 10, SIZE + 10),
    st.sampled_from([0, 1, -1, -2, SIZE, FAR, -FAR, True]),
    st.sampled_from([1.0, "1", b"1", None, 1 << 70, -(1 << 70)]),
)
sizes = st.one_of(numbers, st.sampled_from([None, 2**35]))
steps = st.one_of(
    st.tuples(st.just("seek"), numbers, st.sampled_from([0, 1, 2])),
    st.tuples(st.just("seek"), st.integers(0, 5), st.sampled_from([9, -1, "0", 1.0, None])),
    st.tuples(st.just("seek"), numbers),
    st.tuples(st.just("read"), sizes),
    st.tuples(st.just("read")),
    st.tuples(st.just("readinto"), st.sampled_from([0, 1, 7, 5000, SIZE + 5])),
    st.tuples(st.just("readinto"), st.sampled_from([b"fixed", "text", None])),
    st.tuples(st.just("readline"), st.sampled_from([-1, 0, 1, 100])),
    st.tuples(st.sampled_from(["tell", "readable", "isatty", "flush", "readall"])),
    st.tuples(st.just("write"), st.just(b"x")),
)


@pytest.mark.parametrize("kind", PAIRS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=st.lists(steps, max_size=12), closed=st.booleans())
@example(walk=[("seek", SIZE + 5), ("read",), ("tell",)], closed=True)
@example(walk=[("seek", -1), ("seek", -SIZE - 1, 2), ("seek", 0, 9), ("read", -2), ("seek", 1.0)], closed=True)
@example(walk=[("read", 2**35), ("seek", 5), ("read", 2**35)], closed=False)
def test_every_walk_ends_where_pythons_own_does(kind: str, path: Path, walk: list[Any], closed: bool) -> None:
    ours, pythons = PAIRS[kind](path)
    with pythons:
        for step in walk:
            if not _comparable(kind, step):
                continue
            assert outcome(ours, step) == outcome(pythons, step), step
        assert ours.seekable()
        if closed:
            ours.close()
            pythons.close()
            ours.close()
            for step in [("tell",), ("seek", 0), ("read",), ("read", 0), ("readinto", 3), ("readable",), ("seekable",),
                         ("flush",), ("isatty",), ("writable",), ("readline",)]:  # fmt: skip
                if step != ("writable",) or kind != "ranges":  # BufferedReader's own answer there is False
                    assert outcome(ours, step) is ValueError, step
            assert ours.closed
        ours.close()


def _comparable(kind: str, step: Any) -> bool:
    """Whether both have it, and Python's own does not run out of memory or of the file system's reach."""
    if step[0] == "readall":
        return kind in ("object", "object, nothing ahead", "held")
    if step[0] == "write":
        return kind != "sample"
    if step[0] == "read" and len(step) > 1 and step[1] in (2**35, FAR):
        return kind == "sample"  # the others are below
    return True


def outcome(file: Any, step: Any) -> Any:
    """What the call gives, or the kind of error it raises."""
    name, *arguments = step
    into = bytearray(arguments[0]) if name == "readinto" and isinstance(arguments[0], int) else None
    try:
        given = getattr(file, name)(*([into] if into is not None else arguments))
    except (TypeError, OverflowError) as error:
        return type(error)
    except OSError as error:
        return (ValueError, OSError) if isinstance(error, io.UnsupportedOperation) else (OSError, error.errno)
    except ValueError:
        return ValueError
    return given if into is None else (given, bytes(into))


@pytest.mark.parametrize("kind", PAIRS)
def test_a_size_beyond_all_memory_is_all_there_is(kind: str, path: Path) -> None:
    ours, pythons = PAIRS[kind](path)
    pythons.close()
    with ours:
        ours.seek(5)
        assert ours.read(2**35) == DATA[5:]
        assert ours.read(2**35) == b""


@pytest.mark.parametrize("kind", PAIRS)
def test_lines_and_iteration(kind: str, path: Path) -> None:
    ours, pythons = PAIRS[kind](path)
    with ours, pythons:
        lines = list(ours)
        assert b"".join(lines) == DATA
        assert all(line.endswith(b"\n") for line in lines[:-1])
        assert lines == list(pythons)


def test_none_can_be_written_to_and_a_closed_writer_says_so(path: Path) -> None:
    store = opened(path)
    for file in (SampleReader(DATA, "b", "k"), store.open_reader(path.name), RangeReader(store, path.name, None)):
        assert not file.writable()
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            file.truncate()
    writer = store.open_writer("written")
    assert writer.writable()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.writable()


def test_memory_of_every_shape_is_filled(path: Path) -> None:
    import numpy

    for kind in PAIRS:
        ours, pythons = PAIRS[kind](path)
        with ours, pythons:
            table = numpy.zeros((10, 5), numpy.int32)
            assert ours.readinto(table) == 200
            assert table.tobytes() == DATA[:200]
            assert ours.readinto(numpy.zeros((0, 3))) == 0
            assert ours.tell() == 200


def empty_archives() -> Iterator[bytes]:
    yield b""
    yield b"short"


@pytest.mark.parametrize("data", list(empty_archives()))
def test_zipfile_names_its_own_error_for_what_is_no_archive(data: bytes, tmp_path: Path) -> None:
    import zipfile

    (tmp_path / "a.zip").write_bytes(data)
    store = s3dlio_core.open_store(f"file://{tmp_path}/")
    for file in (SampleReader(data, "b", "k"), store.open_reader("a.zip"), RangeReader(store, "a.zip", None)):
        with file, pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(file)
