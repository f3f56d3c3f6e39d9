"""`.metadata` is read as data: what torch writes comes through, and nothing in a forged one is run."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import pickle
import pickletools
import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from hypothesis import given, settings
from hypothesis import strategies as st
from load_parts import save
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)

from s3dlio_core import CheckpointError, ChecksumMismatchError
from s3dlio_core.checkpoint.seal import seal
from s3dlio_torch.dcp.metadata import read_metadata

URI = "s3://bucket/run/.metadata"


def metadata() -> Metadata:
    size = torch.Size([6, 4])
    half = torch.Size([3, 4])
    chunks = [ChunkStorageMetadata(torch.Size([row, 0]), half) for row in (0, 3)]
    properties = TensorProperties(torch.bfloat16, memory_format=torch.channels_last, pin_memory=True)
    infos = {
        MetadataIndex("w", [row, 0], number): _StorageInfo(f"__{number}_0.distcp", 1520 * number, 1520)
        for number, row in enumerate((0, 3))
    }
    infos[MetadataIndex("step")] = _StorageInfo("a/__0_0.distcp", 1520, 400, transform_descriptors=["stream.zstd/1"])
    next(iter(infos.values())).s3dlio_index = {"crcs": b"\1\2", "nbytes": 3, "shape": (1, 2)}  # type: ignore[attr-defined]
    return Metadata(
        {"w": TensorStorageMetadata(properties, size, chunks), "step": BytesStorageMetadata()},
        planner_data={"w": ("model", 0, "w"), "step": ("step",), "more": [1.5, None, True, -3, 1 << 70, {"a", "b"}]},
        storage_data=infos,
        storage_meta=StorageMeta(pathlib.PosixPath("/tmp/x"), "save", modules=["m"]),
        version="1.0.0",
    )


def assert_same(found: Metadata, expected: Metadata) -> None:
    assert found.state_dict_metadata == expected.state_dict_metadata
    assert found.planner_data == expected.planner_data
    assert found.storage_data == expected.storage_data
    for info, other in zip(found.storage_data.values(), expected.storage_data.values(), strict=True):
        assert vars(info) == {name: value for name, value in vars(other).items() if value is not None}
    assert [index.index for index in found.storage_data] == [index.index for index in expected.storage_data]
    assert found.version == expected.version


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_all_that_torch_puts_in_comes_through(protocol: int) -> None:
    expected = metadata()
    if protocol == 2:  # pickles bytes as text to be encoded, which torch never asks for
        del next(iter(expected.storage_data.values())).s3dlio_index["crcs"]
    if protocol < 4:  # they pickle a set as a call of one
        expected.planner_data["more"].pop()
    assert_same(read_metadata(pickle.dumps(expected, protocol), URI), expected)


def test_a_real_checkpoints_metadata_equals_what_pickle_reads(tmp_path: Path) -> None:
    state = {"model": OrderedDict(w=torch.ones(3, 4), b=torch.ones(3)), "lr": 0.1, "names": ["a", {"b": 2}]}
    save(state, dcp.FileSystemWriter(tmp_path))
    stored = (tmp_path / ".metadata").read_bytes()
    found = read_metadata(stored, URI)
    assert_same(found, pickle.loads(stored))
    assert str(found.storage_meta.checkpoint_id) == str(tmp_path)


def test_fields_of_later_versions_are_passed_by() -> None:
    later = metadata()
    later.something_new = 3  # type: ignore[attr-defined]
    assert not hasattr(read_metadata(pickle.dumps(later), URI), "something_new")


# ---- forged ones ----
class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


def forged(tmp_path: Path) -> dict[str, bytes]:
    mark = tmp_path / "was-here"
    in_a_plan = metadata()
    in_a_plan.planner_data = Call(os.system, f"touch {mark}")
    by_index = metadata()
    by_index.storage_data[MetadataIndex("x")] = Call(exec, f"open({str(mark)!r}, 'w')")
    os_system = f"cposix\nsystem\n(Vtouch {mark}\ntR.".encode()
    of_an_enumeration = (
        b"\x80\x04cbuiltins\ngetattr\n(ctorch.distributed.checkpoint.metadata\n_MEM_FORMAT_ENCODING\n"
        b"\x8c\x09__class__tR."
    )
    # getattr is known, because some Pythons pickle members of enumerations with it; of nothing else.
    of_class = pickle.dumps(Call(getattr, Metadata, "__init__"))
    of_size = pickle.dumps(Call(getattr, torch.Size, "__new__"))
    a_class_changed = (
        b"\x80\x04ctorch.distributed.checkpoint.metadata\nMetadata\nN}(\x8c\x08__init__ctorch\nSize\nu\x86b."
    )
    return {
        "os.system": pickle.dumps(in_a_plan),
        "exec": pickle.dumps(by_index),
        "protocol 0": os_system,
        "getattr of an enumeration": of_an_enumeration,
        "getattr of a class": of_class,
        "getattr of torch.Size": of_size,
        "attributes of a class": a_class_changed,
        "torch.load": pickle.dumps(Call(torch.load, str(tmp_path / "x.pt"))),
        "builtins.eval": pickle.dumps(Call(eval, f"open({str(mark)!r}, 'w')")),
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent id": b"\x80\x02K\x01Q.",
    }


NAMES = list(forged(Path("/nowhere")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(name: str, sealed: bool, tmp_path: Path) -> None:
    stored = forged(tmp_path)[name]
    before = {key: value for key, value in vars(Metadata).items() if callable(value)}
    with pytest.raises(CheckpointError) as caught:
        read_metadata(seal(stored) if sealed else stored, URI)
    assert URI in str(caught.value)
    assert not (tmp_path / "was-here").exists()
    assert {key: value for key, value in vars(Metadata).items() if callable(value)} == before


def test_the_forged_pickles_would_run(tmp_path: Path) -> None:
    """So that the test above can fail."""
    with contextlib.suppress(Exception):
        pickle.loads(forged(tmp_path)["os.system"])
    assert (tmp_path / "was-here").exists()


def test_trusted_runs_what_the_pickle_says(tmp_path: Path) -> None:
    read_metadata(forged(tmp_path)["os.system"], URI, trusted=True)
    assert (tmp_path / "was-here").exists()


@pytest.mark.parametrize(
    ("what", "pickled"),
    [
        ("a memo index", b"\x80\x02Nr\xff\xff\xff\x7f."),
        ("a length", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f."),
        ("a frame", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN."),
        ("a text", b"\x80\x02X\xff\xff\xff\x7fabc."),
        ("nested tuples as a key", b"\x80\x02})" + b"\x85" * 200_000 + b"Ns."),
        ("nested lists", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."),
        ("long sizes", b"\x80\x02ctorch\nSize\nq\x00](" + b"K\x01" * 3000 + b"eq\x01" + b"h\x00h\x01\x85R" * 3000),
        ("long paths", b"\x80\x02cpathlib\nPosixPath\n(" + b"X\x00\x10\x00\x00" + b"a" * 4096 + b"q\x00" + b"h\x00" * 99
         + b"tR."),
    ],
)  # fmt: skip
def test_a_bomb_is_refused_in_little_memory(what: str, pickled: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(CheckpointError):
        read_metadata(pickled, URI)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * len(pickled) + (1 << 20)


def test_a_path_that_takes_much_memory_once_it_is_printed_is_refused() -> None:
    wrong = metadata()
    wrong.storage_meta = StorageMeta(pathlib.PosixPath(*["a" * 1000] * 5), "save", modules=["m"])
    with pytest.raises(CheckpointError, match="a path is not made of names, or too long"):
        read_metadata(pickle.dumps(wrong), URI)


# ---- nested deeper than the C stack ----
_CLASS = b"ctorch.distributed.checkpoint.metadata\n"
_KEY = b"\x8c\x0cstorage_data}" + _CLASS + b"MetadataIndex\n)\x81}("
NESTED = {
    "a key's name": _KEY + b"\x8c\x03fqn%sub" + b"Nsu",
    "a key's offset": _KEY + b"\x8c\x03fqn\x8c\x01w\x8c\x06offset%sub" + b"Nsu",
    "a key's number": _KEY + b"\x8c\x03fqn\x8c\x01w\x8c\x06offsetN\x8c\x05index%sub" + b"Nsu",
    "planner data": b"\x8c\x0cstorage_data}\x8c\x0cplanner_data%su",
    "the version": b"\x8c\x0cstorage_data}\x8c\x07version%su",
}


def nested_in(where: str, inner: bytes) -> bytes:
    front = b"\x80\x04" + _CLASS + b"Metadata\n)\x81}(\x8c\x13state_dict_metadata}"
    return front + NESTED[where].replace(b"%s", inner) + b"b."


def test_a_metadata_nested_deeper_than_the_c_stack_is_refused_and_nothing_crashes(tmp_path: Path) -> None:
    """In a process of its own: what exhausts the C stack ends it."""
    depth = 200_000
    tuples = b"N" + b"\x85" * depth
    cases = {where: nested_in(where, tuples) for where in NESTED}
    cases["lists"] = nested_in("planner data", b"]" * depth + b"a" * (depth - 1))
    index = _CLASS + b"MetadataIndex\n)\x81}\x8c\x03fqn"
    cases["indices"] = nested_in("planner data", index * 20_000 + b"N" + b"sb" * 20_000)
    for name, stored in cases.items():
        (tmp_path / name).write_bytes(stored)
    program = """
import pathlib, sys
from s3dlio_core import CheckpointError
from s3dlio_torch.dcp.metadata import read_metadata
for path in map(pathlib.Path, sys.argv[1:]):
    print(path.name, flush=True)
    try:
        found = read_metadata(path.read_bytes(), "s3://bucket/.metadata")
    except CheckpointError:
        continue
    raise SystemExit(f"{path.name} was read: {found}")
"""
    paths = [str(tmp_path / name) for name in cases]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stdout.splitlines()) == (0, list(cases)), done


def test_a_metadata_of_more_bytes_than_any_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pickle.dumps(metadata())
    monkeypatch.setattr("s3dlio_core.checkpoint.metadata._MOST_BYTES", len(stored))
    read_metadata(stored, URI)
    monkeypatch.setattr("s3dlio_core.checkpoint.metadata._MOST_BYTES", len(stored) - 1)
    with pytest.raises(CheckpointError, match=f"it has {len(stored)} bytes"):
        read_metadata(stored, URI)


def test_a_metadata_that_holds_itself_is_refused() -> None:
    wrong = metadata()
    wrong.planner_data["more"].append(wrong.planner_data["more"])
    with pytest.raises(CheckpointError, match="hold themselves"):
        read_metadata(pickle.dumps(wrong), URI)


def test_a_name_that_cannot_be_printed_is_refused() -> None:
    wrong = metadata()
    wrong.state_dict_metadata[10**5000] = 3
    with pytest.raises(CheckpointError, match="of type int"):
        read_metadata(pickle.dumps(wrong), URI)


# ---- damage ----
SEALED = seal(pickle.dumps(metadata()))


def test_a_sealed_metadata_is_readable_by_pickle() -> None:
    assert_same(pickle.load(io.BytesIO(SEALED)), metadata())
    assert_same(read_metadata(SEALED, URI), metadata())


def test_every_flipped_bit_of_a_sealed_metadata_is_noticed() -> None:
    data = bytearray(SEALED)
    for place in range(len(data)):
        data[place] ^= 1 << place % 8
        with pytest.raises((CheckpointError, ChecksumMismatchError), match=r"\.metadata"):
            read_metadata(bytes(data), URI)
        data[place] ^= 1 << place % 8


@pytest.mark.parametrize("keep", [0, 1, 10, len(SEALED) - 20, len(SEALED) - 1])
def test_a_metadata_cut_short_is_noticed(keep: int) -> None:
    if keep == len(SEALED) - 20:  # exactly the seal is gone: a pickle as torch writes it
        assert_same(read_metadata(SEALED[:keep], URI), metadata())
        return
    with pytest.raises(CheckpointError):
        read_metadata(SEALED[:keep], URI)


def test_the_pieces_of_two_saves_do_not_pass() -> None:
    with pytest.raises((CheckpointError, ChecksumMismatchError)):
        read_metadata(SEALED[:-20] + b"x" + SEALED[-20:], URI)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m, "state_dict_metadata", {"w": 3}),
        lambda m: setattr(m, "storage_data", [1]),
        lambda m: m.storage_data.update({MetadataIndex("x"): _StorageInfo("../../other", 0, 5)}),
        lambda m: m.storage_data.update({MetadataIndex("x"): _StorageInfo("/etc/passwd", 0, 5)}),
        lambda m: m.storage_data.update({MetadataIndex("x"): _StorageInfo("a", -1, 5)}),
        lambda m: m.storage_data.update({MetadataIndex("x"): _StorageInfo("a", 0, 1 << 65)}),
        lambda m: setattr(m.state_dict_metadata["w"].chunks[0], "offsets", torch.Size([5, 0])),
        lambda m: setattr(m.state_dict_metadata["w"].chunks[0], "sizes", torch.Size([3])),
    ],
)
def test_what_contradicts_itself_is_refused(change: Any) -> None:
    wrong = metadata()
    change(wrong)
    with pytest.raises(CheckpointError, match=r"load s3://bucket/run/\.metadata"):
        read_metadata(pickle.dumps(wrong), URI)


def test_something_else_than_metadata_is_refused() -> None:
    with pytest.raises(CheckpointError, match="expected a Metadata"):
        read_metadata(pickle.dumps({"w": 1}), URI)


PICKLE = pickle.dumps(metadata())
OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]


@given(st.integers(0, len(PICKLE)), st.integers(0, 8), st.lists(st.sampled_from(OPCODES) | st.binary(max_size=6)))
@settings(max_examples=500)
def test_no_change_leads_to_anything_but_a_checkpoint_error(start: int, cut: int, put: list[bytes]) -> None:
    with contextlib.suppress(CheckpointError):
        read_metadata(PICKLE[:start] + b"".join(put) + PICKLE[start + cut :], URI)


@given(st.lists(st.sampled_from(OPCODES) | st.binary(max_size=6)))
@settings(max_examples=500)
def test_no_pickle_leads_to_anything_but_a_checkpoint_error(parts: list[bytes]) -> None:
    with pytest.raises(CheckpointError):
        read_metadata(b"\x80\x04" + b"".join(parts) + b".", URI)
