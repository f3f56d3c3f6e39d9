"""litdata with its objects moved by s3dlio_core, in a process of its own that finds the package.

    PYTHONPATH=.venv/litdata:tests python -m through_litdata FOLDER s3://BUCKET/PREFIX/ COUNT

Prints three lines of JSON: the samples of each of two loaders that share one cache, and (process, file) of each
download. Endpoint, keys and region come from the environment.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import litdata
import torch
from litdata.streaming.downloader import Downloader, register_downloader
from litdata.streaming.resolver import Dir

import s3dlio_core

VALUES = 500
_stores: dict[str, s3dlio_core.Store] = {}
_downloads = Path(sys.argv[1]) / "downloads"
_context = multiprocessing.get_context("fork")
_together = _context.Barrier(2)


class ThroughS3dlio(Downloader):
    """No lock and no temporary name: download() makes a file appear when it is complete, whoever else writes it."""

    def download_file(self, remote_filepath: str, local_filepath: str) -> None:
        folder, name = os.path.split(local_filepath)
        assert os.path.basename(remote_filepath) == name
        if multiprocessing.current_process().name.startswith("Reader"):
            _together.wait(
                60
            )  # the index, which a loader fetches itself: both find none and make it at the same moment
        s3dlio_core.download(remote_filepath, folder, store=_stores[self._remote_dir])
        with _downloads.open("a") as lines:
            lines.write(json.dumps([os.getpid(), name]) + "\n")
        self._notify_published(local_filepath)

    def download_bytes(self, remote_filepath: str, offset: int, length: int, local_filepath: str) -> bytes:
        store = _stores[self._remote_dir]
        key = remote_filepath.removeprefix(store.uri)
        return bytes(store.get_range(key, start=offset, end=offset + length))


def sample(index: int) -> dict[str, Any]:
    return {"index": index, "values": torch.full((VALUES,), index)}


def become_reader() -> None:
    multiprocessing.current_process().name = "Reader"


def read(uri: str, cache: Path, seed: int) -> list[int]:
    dataset = litdata.StreamingDataset(Dir(path=str(cache), url=uri), shuffle=True, seed=seed)
    seen: list[int] = []
    for batch in litdata.StreamingDataLoader(dataset, batch_size=8, num_workers=2):
        assert torch.equal(batch["values"], batch["index"][:, None].expand(-1, VALUES))
        seen += batch["index"].tolist()
    return seen


def main(folder: Path, uri: str, count: int) -> None:
    made = folder / "made"
    litdata.optimize(
        sample, list(range(count)), str(made), num_workers=2, chunk_size=10, start_method="fork", verbose=False
    )
    _stores[uri] = s3dlio_core.open_store(uri)
    s3dlio_core.upload(made, uri, store=_stores[uri])

    # The store is open and its threads run when the loaders fork their workers.
    register_downloader("s3://", ThroughS3dlio, overwrite=True)
    with ProcessPoolExecutor(2, _context, initializer=become_reader) as readers:
        for seen in readers.map(read, [uri] * 2, [folder / "cache"] * 2, (1, 2)):
            print(json.dumps(seen))
    print(json.dumps([json.loads(line) for line in _downloads.read_text().splitlines()]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
