"""The local folder that objects are downloaded into."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3dlio_core import Store

__all__ = ["local_store"]


def local_store(folder: str) -> Store:
    """`folder` as a store: keys cannot lead out of it, and a file appears only when it is whole.

    Unlike a file:// URI it does not wait for the disk: a download can be repeated.
    """
    import dataclasses

    from s3dlio_core import Tuning, open_store

    tuning = dataclasses.replace(Tuning.from_environment(), sync_writes=False)
    return open_store(f"file://{os.path.abspath(os.path.expanduser(folder)).rstrip('/')}/", tuning=tuning)
