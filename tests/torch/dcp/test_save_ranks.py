"""Several ranks save together: one checkpoint, and one rank's failure is everybody's."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.ranks import whole_state
from checkpoints.states import assert_equal, load_by_torch, random_tensor
from servers.access import credentials_of
from servers.fault_server import FaultServer

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")

TESTS = Path(__file__).parents[2]


def torchrun(out: Path, *words: str, ranks: int = 2) -> int:
    """The exit status; what each rank saw is in `out`."""
    out.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={ranks}"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", "-m"]
    command += ["checkpoints.ranks", str(out), *words]
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode:
        print(done.stderr[-6000:])
    return done.returncode


def seen(out: Path, scenario: str) -> list[Any]:
    """By each rank that came to the scenario's end."""
    return [json.loads(path.read_text()) for path in sorted(out.glob(f"{scenario}.*"))]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, FaultServer]]:
    """What two ranks left behind, and what they saw (in out/). One start serves all tests here."""
    folder = tmp_path_factory.mktemp("ranks")
    with FaultServer() as server:
        server.objects.buckets["data"] = {}
        words = []
        for scenario in ("saves", "saves_asynchronously", "saves_with_prefixes", "saves_without_collectives"):
            words += [scenario, f"file://{folder}/{scenario}", "{}"]
        words += ["one_fails", "s3://data/run", json.dumps({"options": credentials_of(server)})]
        assert torchrun(folder / "out", *words) == 0
        yield folder, server


def test_sharded_tensors_are_one_checkpoint(together: tuple[Path, FaultServer]) -> None:
    folder = together[0] / "saves"
    assert {path.name[:4] for path in folder.glob("*.distcp")} == {"__0_", "__1_"}
    assert_equal(load_by_torch(str(folder), whole_state(1)), whole_state(1))


def test_asynchronously_by_the_manager(together: tuple[Path, FaultServer]) -> None:
    folder = together[0] / "saves_asynchronously"
    assert seen(together[0] / "out", "saves_asynchronously") == [[2], [2]]
    assert_equal(load_by_torch(str(folder / "step-0000000002"), whole_state(2)), whole_state(2))
    assert not any((folder / "step-0000000001").glob("*"))


def test_prefixes(together: tuple[Path, FaultServer]) -> None:
    folder = together[0] / "saves_with_prefixes"
    found = {str(path.parent.relative_to(folder)) for path in folder.rglob("*.distcp")}
    assert found == {"0000000000/epoch_3", "1000000000/epoch_3"}
    assert_equal(load_by_torch(str(folder), whole_state(1)), whole_state(1))


def test_without_collectives(together: tuple[Path, FaultServer]) -> None:
    for rank in (0, 1):
        metadata = pickle.loads((together[0] / "saves_without_collectives" / f"__{rank}.metadata").read_bytes())
        assert list(metadata.state_dict_metadata) == [f"of rank {rank}"]
        (info,) = metadata.storage_data.values()
        assert info.relative_path.startswith(f"__{rank}_0-")


def test_one_rank_fails_all(together: tuple[Path, FaultServer]) -> None:
    folder, server = together
    expected = {"failed": [1], "latest": 1, "restored": 1, "same": True}
    assert seen(folder / "out", "one_fails") == [expected, expected]
    stored = server.objects.buckets["data"]
    assert {key.split("/")[1] for key in stored} == {"step-0000000001"}  # rank 0's objects of step 2 are gone too
    assert server.objects.uploads == {}


def test_one_rank_dies(tmp_path: Path) -> None:
    """The other one cannot commit; what was saved before is whole."""
    assert torchrun(tmp_path / "out", "one_dies", f"file://{tmp_path}/ck", "{}") != 0
    assert seen(tmp_path / "out", "one_dies") == []
    assert_equal(load_by_torch(str(tmp_path / "ck"), whole_state(1)), whole_state(1))


def test_asynchronously_in_a_thread_and_in_a_process(tmp_path: Path) -> None:
    assert torchrun(tmp_path / "out", "in_a_process", f"file://{tmp_path}/ck", "{}", ranks=1) == 0
    for number in (1, 2):
        expected = {**whole_state(number), "view": random_tensor(torch.float32, 400, 400, seed=number).t()[::2]}
        assert_equal(load_by_torch(str(tmp_path / "ck" / str(number)), expected), expected)
