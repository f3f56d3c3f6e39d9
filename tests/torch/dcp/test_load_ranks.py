"""Several ranks: DTensors and FSDP2 load what another number of ranks saved."""

from __future__ import annotations

from pathlib import Path

import torch.distributed.checkpoint as dcp
from checkpoints import loading_ranks as steps
from load_parts import assert_equal, blank, load, save
from rank_processes import run_ranks

from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)


def test_one_to_two_and_two_to_one(tmp_path: Path) -> None:
    save(steps.SOURCE, dcp.FileSystemWriter(tmp_path / "stock"))
    for name in ("ours", "damaged"):
        save(steps.SOURCE, StorageWriter(f"file://{tmp_path}/{name}"))
    damage(next((tmp_path / "damaged").glob("*.distcp")))
    stock, ours, errors, fsdp = run_ranks(
        tmp_path,
        (2, steps.loads, f"file://{tmp_path}/stock"),
        (2, steps.loads, f"file://{tmp_path}/ours"),
        (2, steps.error_of_loading, f"file://{tmp_path}/damaged"),
        (2, steps.saves_and_loads_fsdp, f"file://{tmp_path}/fsdp"),
    )
    for found in (*stock, *ours):
        assert_equal(found, steps.SOURCE)
    assert all("rows" in error and "damaged" in error for error in errors), errors
    whole = fsdp[0][0]
    for saved, loaded in fsdp:
        assert_equal(saved, whole)
        assert_equal(loaded, whole)
    assert_equal(load({"model": blank(whole)}, StorageReader(f"file://{tmp_path}/fsdp")), {"model": whole})
