"""Objects nested deeper than the C stack end no process: they are refused before torch hashes them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp

from s3dlio_core.checkpoint.pickle_depth import NestedTooDeep, check_tuples, check_tuples_of
from s3dlio_core.checkpoint.plain_pickle import PickleRefused

DEPTH = 200_000  # Python hashes half as many on a stack of 8 MB
TUPLES = b")" + b"\x85" * DEPTH
PICKLES = {
    "a key": b"\x80\x02}" + TUPLES + b"Ns.",
    "one of several keys": b"\x80\x02}(K\x01K\x02" + TUPLES + b"Nu.",
    "a key built through the memo": b"\x80\x02]()q\x00" + b"h\x00\x85q\x00" * DEPTH + b"e}h\x00Ns\x86.",
    "a key of marked tuples": b"\x80\x02}" + b"(" * DEPTH + b"t" * DEPTH + b"Ns.",
    "an element of a set": b"\x80\x02cbuiltins\nset\n](" + TUPLES + b"e\x85R.",
    "the name of a storage": b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    + TUPLES + b"X\x03\x00\x00\x00cpuK\x01tQ.",
}  # fmt: skip
# Nobody hashes these. Whatever becomes of them, the process goes on.
HARMLESS = {
    "a tuple": b"\x80\x02" + TUPLES + b".",
    "lists": b"\x80\x02" + b"]" * DEPTH + b"a" * (DEPTH - 1) + b".",
    "dicts": b"\x80\x02" + b"}K\x01" * DEPTH + b"N" + b"s" * DEPTH + b".",
}


def archived(pickled: bytes) -> bytes:
    """As torch.save() lays it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in (("data.pkl", pickled), ("byteorder", b"little"), ("version", b"3\n")):
            archive.writestr(f"archive/{name}", content)
    return stream.getvalue()


def in_the_older_format(pickled: bytes) -> bytes:
    front = io.BytesIO()
    torch.save(None, front, _use_new_zipfile_serialization=False)
    place = front.getvalue().index(pickle.dumps(None, 2))
    return front.getvalue()[:place] + pickled + pickle.dumps([], 2)


class Forging(dcp.DefaultSavePlanner):
    """Stores the bytes of a state dict's objects in place of the objects."""

    def transform_object(self, write_item: Any, object: Any) -> Any:
        return io.BytesIO(object) if isinstance(object, bytes) else super().transform_object(write_item, object)


PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch, torch.distributed.checkpoint as dcp
from s3dlio_core import CheckpointError
from s3dlio_torch import pt
from s3dlio_torch.dcp import StorageReader
from s3dlio_core.checkpoint.read.item import Place
from s3dlio_torch.dcp.load.whole import whole_tensor
outcomes = {}
for uri in sys.argv[1:]:
    print(uri, file=sys.stderr, flush=True)
    outcome = "read"
    try:
        if uri.endswith(".pt"):
            pt.load(uri)
        elif uri.endswith(".meta"):
            pt.load(uri, map_location="meta")
        elif uri.endswith(".tensor"):
            stored = open(uri.removeprefix("file://"), "rb").read()
            whole_tensor(memoryview(stored), None, Place("w", "w", uri, 0, len(stored)), None, None)
        else:
            dcp.load({"forged": None}, storage_reader=StorageReader(uri), no_dist=True)
    except (CheckpointError, dcp.api.CheckpointException) as error:
        outcome = "too deep" if "nested more than 10000 deep" in str(error) else "refused"
    outcomes[uri.rpartition("/")[2]] = outcome
print(json.dumps(outcomes))
"""


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_an_object_nested_deeper_than_the_c_stack_ends_no_process(tmp_path: Path) -> None:
    """By pt.load() and by a checkpoint's load, one after the other in a process of their own."""
    uris = []
    for name, pickled in (PICKLES | HARMLESS).items():
        stored = archived(pickled)
        (tmp_path / f"{name}.pt").write_bytes(stored)
        dcp.save(
            {"forged": stored}, storage_writer=dcp.FileSystemWriter(tmp_path / name), planner=Forging(), no_dist=True
        )
        uris += [f"file://{tmp_path}/{name}.pt", f"file://{tmp_path}/{name}"]
    for name, stored in (
        ("a key.meta", archived(PICKLES["a key"])),
        ("a key.tensor", archived(PICKLES["a key"])),
        ("a key, older format.pt", in_the_older_format(PICKLES["a key"])),
    ):
        (tmp_path / name).write_bytes(stored)
        uris.append(f"file://{tmp_path}/{name}")
    done = subprocess.run([sys.executable, "-c", PROGRAM, *uris], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == len(uris)
    assert {outcome for name, outcome in outcomes.items() if name.partition(".")[0] not in HARMLESS} == {"too deep"}, (
        outcomes
    )


@pytest.mark.parametrize("protocol", range(6))
def test_depth_is_counted_in_every_protocol(protocol: int) -> None:
    nested: Any = ()
    for _ in range(150):
        nested = (nested, [{"x": (1, 2)}], struct.Struct) if len(str(nested)) % 2 else (nested,)
    everything = [
        nested,
        {1, 2},
        frozenset([3]),
        b"x",
        bytearray(b"y"),
        1.5,
        None,
        True,
        1 << 90,
        "t" * 300,
        OSError(2, "x"),
    ]
    check_tuples_of(pickle.dumps(everything, protocol))


def test_many_flat_tuples_are_not_nested() -> None:
    flat = pickle.dumps({(number, (number,)): [(number,)] for number in range(20_000)}, 2)
    check_tuples(flat)
    growing = b"\x80\x02]" + b"(" + b")\x85" * 20_000 + b"e."
    check_tuples(growing)
    with pytest.raises(NestedTooDeep, match="more than 10000 deep"):
        check_tuples(b"\x80\x02)" + b"\x85" * 10_001 + b".")
    with pytest.raises(PickleRefused, match="breaks off"):
        check_tuples(b"\x80\x02" + b")\x85" * 10_001)
