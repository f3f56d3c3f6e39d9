"""Readers that start threads in a forked DataLoader worker, as litdata and DLIO's parquet reader do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dataset_files import write_samples
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import s3dlio_core

COUNT, THREADS = 24, 4


class Downloading(IterableDataset):  # type: ignore[type-arg]
    """Each worker fetches its objects on threads of its own, which all begin at the same moment."""

    def __init__(self, store: s3dlio_core.Store) -> None:
        self.store = store

    def __iter__(self) -> Iterator[int]:
        worker: Any = get_worker_info()
        mine = range(worker.id, COUNT, worker.num_workers)
        fetched: list[int | Exception] = []
        together = threading.Barrier(THREADS)

        def fetch(number: int) -> None:
            together.wait()
            for index in mine[number::THREADS]:
                try:
                    fetched.append(self.store.get(f"{index:05d}.bin")[0])
                except Exception as error:
                    fetched.append(error)

        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for found in fetched:
            if isinstance(found, Exception):
                raise found
            yield found


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_threads_of_a_worker_share_the_store_it_inherited(tmp_path: Path) -> None:
    with s3dlio_core.open_store(write_samples(tmp_path, COUNT)) as store:
        store.get("00000.bin")  # opened, and its threads run, before any worker is forked
        for _ in range(3):
            loader = DataLoader(Downloading(store), batch_size=None, num_workers=2, multiprocessing_context="fork")
            assert sorted(loader) == list(range(COUNT))
