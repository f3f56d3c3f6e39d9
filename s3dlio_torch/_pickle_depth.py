"""Looks at the pickle in what torch.save() wrote before torch reads it; see s3dlio_core.checkpoint.pickle_depth."""

from __future__ import annotations

from typing import Any

import torch

from s3dlio_core.checkpoint.pickle_depth import NestedTooDeep, check_tuples, check_tuples_of
from s3dlio_core.checkpoint.plain_pickle import PickleRefused

__all__ = ["check_stored"]

_ZIP = b"PK\x03\x04"  # by which torch tells its archives from older formats
_PICKLES = 5  # of the older format, one after the other: mark, version, machine, object, names of storages


def check_stored(file: Any) -> None:
    """NestedTooDeep where torch.load() of the binary file may have to hash tuples nested too deep; back to its start.

    What is no archive, or a damaged one, is left to torch, which says so.
    """
    file.seek(0)
    if file.read(len(_ZIP)) == _ZIP:
        file.seek(0)
        try:
            pickled = torch.PyTorchFileReader(file).get_record("data.pkl")
        except RuntimeError:
            pickled = b""
        check_tuples(pickled)
    else:
        file.seek(0)
        try:
            for _ in range(_PICKLES):
                check_tuples_of(file)
        except NestedTooDeep:
            raise
        except PickleRefused:
            pass  # where this breaks off, torch does
    file.seek(0)
