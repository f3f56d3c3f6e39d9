"""A job of several ranks lists once; what goes wrong then reaches every rank."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from servers.access import credentials_of
from servers.fault_server import FaultServer

PROGRAM = """
import json, sys, time
import torch.distributed as dist
import s3dlio_core
from s3dlio_torch import S3IterableDataset, S3MapDataset

rank, meeting, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
found = [bytes(sample.numpy()).decode() for sample in S3IterableDataset("s3://data/auto/", **options)]
found.append(len(S3MapDataset("s3://data/rank0/", listing="rank0", **options)))
found.append(len(S3MapDataset("s3://data/each/", **options)))
try:
    S3IterableDataset("s3://nowhere/", **options)
except s3dlio_core.StorageError as error:
    found += [type(error).__name__, error.uri]
print(json.dumps(found))
dist.barrier()
time.sleep(0.5)  # gloo's thread lets go of the last tensors first, or the end of the group may wait for it for ever
dist.destroy_process_group()
"""


def test_rank_0_lists_for_all_and_what_it_meets_reaches_all(fault_server: FaultServer, tmp_path: Path) -> None:
    for folder in ("auto", "rank0", "each"):
        for index in range(5):
            fault_server.put_object("data", f"{folder}/{index}", f"{index}".encode())
    common = [str(tmp_path / "meeting"), json.dumps(credentials_of(fault_server))]
    ranks = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(rank), *common], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    # The last line: gloo says on the same stream that it is connected.
    outputs = [json.loads(rank.communicate(timeout=100)[0].splitlines()[-1]) for rank in ranks]
    missing = [5, 5, "BucketNotFoundError", "s3://nowhere/"]
    assert outputs == [["0", "2", "4", *missing], ["1", "3", *missing]]
    prefixes = [request.query.get("prefix", "") for request in fault_server.seen("list")]
    assert sorted(prefixes) == ["", "auto/", "each/", "each/", "rank0/"]
