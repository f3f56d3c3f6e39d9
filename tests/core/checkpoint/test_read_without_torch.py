"""What torch saved is read into numpy arrays by the core alone, in a process that cannot import torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.distributed.checkpoint as dcp  # noqa: E402
from checkpoints import ranks as saving  # noqa: E402
from rank_processes import run_ranks  # noqa: E402

from s3dlio_torch.dcp import StorageWriter  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")

LOADER = """
import sys
sys.modules["torch"] = None
import json
import numpy as np
import s3dlio_core
from s3dlio_core.checkpoint.dtypes import ITEM_SIZES
from s3dlio_core.checkpoint.read.load import StoredCheckpoint, Wanted

uri, out, boxes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
store = s3dlio_core.open_store(uri)
try:
    checkpoint = StoredCheckpoint(store)
    arrays, wanted = {}, []
    for name, entry in checkpoint.tensors.items():
        offsets, lengths = boxes.get(name, ([0] * len(entry.size), list(entry.size)))
        width = ITEM_SIZES[entry.properties.dtype]
        # A byte each: numpy has no bfloat16.
        arrays[f"{name}:{entry.properties.dtype}"] = array = np.full((*lengths, width), 255, np.uint8)
        wanted.append(Wanted(name, array, tuple(offsets), tuple(lengths)))
    checkpoint.load(wanted)
except s3dlio_core.StorageError as error:
    print(f"{type(error).__name__}: {error}")
    raise SystemExit(3)
np.savez(out, **arrays)
"""


def load(uri: str, out: Path, boxes: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
    """All tensors, or boxes of them, as "name:dtype" -> bytes of the elements."""
    done = run(uri, out, boxes)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(np.load(out))


def run(uri: str, out: Path, boxes: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LOADER, uri, str(out), json.dumps(boxes or {})]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def bytes_of(tensor: Any) -> np.ndarray:
    flat = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return flat.reshape(*tensor.shape, tensor.itemsize)


def named(state: dict[str, Any]) -> dict[str, np.ndarray]:
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    return {f"{name}:{str(value.dtype)[6:]}": bytes_of(value) for name, value in tensors.items()}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


def state() -> dict[str, Any]:
    torch.manual_seed(5)
    return {
        "large": torch.randn(301, 407),
        "half": torch.randn(40, 8, 300).bfloat16(),
        "columns": torch.randn(207, 305, dtype=torch.float64).t(),
        "flags": torch.rand(77) > 0.5,
        "scalar": torch.tensor(7),
        "none": torch.empty(0, 3),
        "step": 4,
    }


WRITERS: dict[str, Callable[[Path], Any]] = {
    "ours": lambda folder: StorageWriter(f"file://{folder}"),
    "zstd": lambda folder: StorageWriter(f"file://{folder}", compression="zstd"),
    "planes": lambda folder: StorageWriter(f"file://{folder}", compression="zstd-planes"),
    "torch": lambda folder: dcp.FileSystemWriter(folder),
}
BOXES = {
    "large": ([17, 3], [250, 401]),
    "half": ([3, 1, 100], [30, 5, 7]),
    "columns": ([5, 6], [290, 1]),
    "flags": ([70], [7]),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_whole_tensors_and_boxes(tmp_path: Path, writer: str) -> None:
    dcp.save(state(), storage_writer=WRITERS[writer](tmp_path / "ck"), no_dist=True)
    uri = f"file://{tmp_path}/ck"
    assert_same(load(uri, tmp_path / "whole.npz"), named(state()))
    expected = state()
    for name, box in BOXES.items():
        for dimension, (offset, length) in enumerate(zip(*box, strict=True)):
            expected[name] = expected[name].narrow(dimension, offset, length)
    assert_same(load(uri, tmp_path / "boxes.npz", BOXES), named(expected))


def test_what_two_ranks_saved_is_put_together(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/ck"
    run_ranks(tmp_path, (2, saving.saves, uri, {}))
    expected = saving.whole_state(1)
    assert_same(load(uri, tmp_path / "whole.npz"), named(expected))
    # Boxes that reach over the border between what the ranks hold: row 151, column 201.
    boxes = {"rows": ([140, 5], [20, 390]), "columns": ([1, 190], [298, 20])}
    for name, box in boxes.items():
        for dimension, (offset, length) in enumerate(zip(*box, strict=True)):
            expected[name] = expected[name].narrow(dimension, offset, length)
    assert_same(load(uri, tmp_path / "boxes.npz", boxes), named(expected))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_flipped_byte_is_found_and_the_tensor_named(tmp_path: Path, writer: str) -> None:
    only = {"large": state()["large"]}
    dcp.save(only, storage_writer=WRITERS[writer](tmp_path / "ck"), no_dist=True)
    (path,) = (tmp_path / "ck").glob("*.distcp")
    data = bytearray(path.read_bytes())
    for place in (5, len(data) // 2, len(data) - 5):
        data[place] ^= 16
        path.write_bytes(data)
        done = run(f"file://{tmp_path}/ck", tmp_path / "out.npz")
        assert done.returncode == 3, done
        assert done.stdout.startswith("ChecksumMismatchError"), done.stdout
        assert "large" in done.stdout
        data[place] ^= 16


def test_a_flipped_byte_of_the_metadata_is_found(tmp_path: Path) -> None:
    dcp.save(state(), storage_writer=StorageWriter(f"file://{tmp_path}/ck"), no_dist=True)
    path = tmp_path / "ck" / ".metadata"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = run(f"file://{tmp_path}/ck", tmp_path / "out.npz")
    assert (done.returncode, done.stdout.partition(":")[0]) == (3, "ChecksumMismatchError"), done


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    dcp.save(state(), storage_writer=StorageWriter(f"file://{tmp_path}/ck"), no_dist=True)
    uri = f"file://{tmp_path}/ck"
    done = run(uri, tmp_path / "out.npz", {"large": ([300, 0], [2, 1])})
    assert done.returncode == 3
    assert "'large' has shape (301, 407); (2, 1) at (300, 0) is not in it" in done.stdout
    done = run(f"file://{tmp_path}/other", tmp_path / "out.npz")
    assert done.returncode == 3
    assert "there is no checkpoint" in done.stdout


def test_item_sizes_and_names_of_types_are_torchs() -> None:
    from s3dlio_core.checkpoint.dtypes import ITEM_SIZES
    from s3dlio_core.checkpoint.metadata_kinds import PLAIN

    for name, dtype in vars(torch).items():
        if isinstance(dtype, torch.dtype):
            assert ITEM_SIZES[str(dtype)[6:]] == dtype.itemsize
            assert PLAIN.dtypes[name] == str(dtype)[6:]


def test_no_module_of_the_room_needs_a_framework() -> None:
    program = """
import sys
sys.modules.update(dict.fromkeys(["torch", "numpy", "jax", "tensorflow", "s3dlio_torch"]))
import importlib, pkgutil
import s3dlio_core.checkpoint as room
names = [module.name for module in pkgutil.walk_packages(room.__path__, room.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(*names)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert {"s3dlio_core.checkpoint.metadata", "s3dlio_core.checkpoint.read.load"} <= set(done.stdout.split())
