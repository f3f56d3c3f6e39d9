"""A program that saves twice to each of several URIs, killed in the second save at a named step.

    python -m checkpoints.killed OPTIONS URI POINT [URI POINT ...]

OPTIONS are StorageWriter's, as JSON. Each save runs in a process forked from this one, which has imported torch once
and computed nothing. Prints one line a pair: how the second save ended, as waitpid says.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import torch
import torch.distributed.checkpoint as dcp

from checkpoints.states import random_tensor
from s3dlio_torch.dcp import StorageWriter
from s3dlio_torch.dcp.save import plan as save_plan


def state_of(number: int) -> dict[str, Any]:
    """Save `number`'s state: enough for two objects of several pieces each."""
    tensors = {f"layer.{n}": random_tensor(torch.float32, 300, 1000, seed=10 * number + n) for n in range(4)}
    return {**tensors, "step": number}


def save(uri: str, number: int, options: dict[str, Any]) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    save_plan._WORTH_ANOTHER_OBJECT = 1 << 20
    dcp.save(state_of(number), storage_writer=StorageWriter(uri, **options), no_dist=True)


def in_a_fork(uri: str, number: int, options: dict[str, Any], point: str) -> int:
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1]
    try:
        if point:
            os.environ["S3DLIO_FAULT_POINT"] = f"{point}:kill"
        save(uri, number, options)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def main() -> None:
    options = json.loads(sys.argv[1])
    for uri, point in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        if in_a_fork(uri, 1, options, "") != 0:
            raise SystemExit(f"the first save to {uri} failed")
        print(in_a_fork(uri, 2, options, point), flush=True)


if __name__ == "__main__":
    main()
