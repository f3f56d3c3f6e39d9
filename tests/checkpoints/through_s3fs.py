"""torch's own checkpoint classes over s3fs, in a process of its own, where s3fs's packages stand before all others.

    PYTHONPATH=.venv/s3fs:tests python -m checkpoints.through_s3fs save|load s3://BUCKET/PREFIX

`save` stores what_stock_saves() with FsspecWriter, over an earlier checkpoint. `load` fails where FsspecReader does not
find all_kinds(). Endpoint, keys and region come from the environment.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from load_parts import every_kind, filled
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter

from checkpoints.states import all_kinds, assert_equal, empty_like

_PART_BYTES = 5 << 20  # S3 takes no smaller ones


def what_stock_saves() -> dict[str, Any]:
    """Enough for an upload in several parts."""
    return every_kind() | {"several parts": filled((3, _PART_BYTES // 4), torch.float32, 51)}


def save(uri: str) -> None:
    for state in ({"earlier": torch.ones(10)}, what_stock_saves()):
        dcp.save(state, storage_writer=FsspecWriter(uri, default_block_size=_PART_BYTES), no_dist=True)


def load(uri: str) -> None:
    state = all_kinds()
    loaded = empty_like(state)
    dcp.load(loaded, storage_reader=FsspecReader(uri), no_dist=True)
    assert_equal(loaded, state)


if __name__ == "__main__":
    import s3fs

    warnings.simplefilter("ignore")
    {"save": save, "load": load}[sys.argv[1]](sys.argv[2])
    print("with s3fs", s3fs.__version__)
