"""What goes wrong in the middle of an epoch reaches the consumer with type and URI; nothing hangs or is skipped."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core.records.record_bytes import tar_of
from dataset_files import index_of, write_samples
from servers.access import IMPATIENT, QUICK, credentials_of
from servers.fault_server import FaultServer
from torch.utils.data import DataLoader
from waiting import wait_until

import s3dlio_core
from s3dlio_core import Tuning
from s3dlio_torch import AsyncLoader, S3IterableDataset, S3MapDataset, create_async_loader

COUNT = 40
BAD = "train/sample-017"
URI = f"s3://data/{BAD}"


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    for index in range(COUNT):
        fault_server.put_object("data", f"train/sample-{index:03d}", index.to_bytes(2, "little") * 500)
    return fault_server


def options_of(server: FaultServer, **tuning: Any) -> dict[str, Any]:
    chosen = {**QUICK, **IMPATIENT, "max_attempts": 3, "hedge": False, **tuning}
    return {**credentials_of(server), "tuning": Tuning(**chosen)}


def dataset_of(server: FaultServer, opts: dict[str, Any] | None = None, **tuning: Any) -> S3IterableDataset:
    return S3IterableDataset("s3://data/train/", opts, transform=index_of, **options_of(server, **tuning))


Break = Callable[[FaultServer], object]


def gone(server: FaultServer) -> None:
    with server.objects.lock:
        del server.objects.buckets["data"][BAD]


BREAKS: dict[str, tuple[Break, type[Exception]]] = {
    "404": (gone, s3dlio_core.ObjectNotFoundError),
    "403": (
        lambda server: server.fault("get", key=BAD, times=None, status=403, code="AccessDenied"),
        s3dlio_core.AccessDeniedError,
    ),
    "500": (
        lambda server: server.fault("get", key=BAD, times=None, status=500, code="InternalError"),
        s3dlio_core.ServerError,
    ),
    "stalled": (
        lambda server: server.fault("get", key=BAD, times=None, stall_head=True),
        s3dlio_core.TransferTimeoutError,
    ),
    "cut": (
        lambda server: server.fault("get", key=BAD, times=None, cut_at=0),
        s3dlio_core.StorageError,
    ),
    "flipped": (
        lambda server: server.fault("get", key=BAD, times=None, corrupt_at=5),
        s3dlio_core.ChecksumMismatchError,
    ),
    "replaced": (
        lambda server: server.put_object("data", BAD, b"shorter"),
        s3dlio_core.PreconditionError,
    ),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_a_failed_sample_raises_at_its_turn_and_nothing_is_skipped(server: FaultServer, fault: str) -> None:
    break_it, error = BREAKS[fault]
    dataset = dataset_of(server)
    break_it(server)
    seen = []
    iterator = iter(dataset)
    with pytest.raises(error) as caught:
        for sample in iterator:
            seen.append(sample)
    assert type(caught.value) is error or fault == "cut"
    assert isinstance(caught.value, s3dlio_core.StorageError)
    assert caught.value.uri == URI
    assert URI in str(caught.value)
    assert seen == list(range(17))
    with pytest.raises(error):  # asked again: no short epoch
        next(iterator)
    assert dataset.state_dict()["done"] == 17


@pytest.mark.parametrize("fault", ["404", "403", "stalled", "flipped"])
def test_the_same_error_leaves_a_worker_process(server: FaultServer, fault: str) -> None:
    break_it, error = BREAKS[fault]
    dataset = dataset_of(server, {"batch_size": 4})
    break_it(server)
    batches: Any = iter(DataLoader(dataset, batch_size=4, num_workers=2))
    with pytest.raises(error, match=URI) as caught:
        list(batches)
    assert type(caught.value) is error
    assert (caught.value.uri, caught.value.operation) == (URI, "get")
    assert caught.value.http_status == {"404": 404, "403": 403}.get(fault, caught.value.http_status)
    assert "in DataLoader worker process" in str(caught.value)
    # Left to the garbage collector, which then takes its queues first, a DataLoader waits 5 s for each worker.
    batches._shutdown_workers()
    assert not multiprocessing.active_children()


def test_out_of_order_the_error_comes_too(server: FaultServer) -> None:
    dataset = dataset_of(server, {"in_order": False})
    gone(server)
    seen = []
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=URI):
        for sample in dataset:
            seen.append(sample)
    assert 17 not in seen


def test_a_server_that_dies_in_mid_epoch_is_reported_in_time(server: FaultServer) -> None:
    dataset = dataset_of(server, {"window_requests": 2}, max_attempts=2, connect_timeout_seconds=1.0)
    iterator = iter(dataset)
    next(iterator)
    server.close()
    start = time.monotonic()
    with pytest.raises(s3dlio_core.StorageError, match="s3://data/train/sample-") as caught:
        list(iterator)
    assert isinstance(caught.value, (ConnectionError, TimeoutError))
    assert time.monotonic() - start < 60


def test_a_bad_uri_raises_when_the_dataset_is_made(server: FaultServer) -> None:
    with pytest.raises(s3dlio_core.BucketNotFoundError, match="nowhere"):
        S3IterableDataset("s3://nowhere/train/", **options_of(server))
    with pytest.raises(s3dlio_core.InvalidArgumentError, match="no URI"):
        S3IterableDataset("train/")


def test_a_batch_of_a_map_dataset_raises_with_the_uri(server: FaultServer) -> None:
    dataset = S3MapDataset("s3://data/train/", **options_of(server))
    gone(server)
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=URI):
        dataset.__getitems__([3, 17, 4])
    server.put_object("data", BAD, b"shorter")
    with pytest.raises(s3dlio_core.PreconditionError, match=URI):
        dataset.__getitems__([3, 17, 4])
    server.put_object("data", BAD, bytes(1001))
    with pytest.raises(s3dlio_core.PreconditionError, match=URI):
        dataset.__getitems__([3, 17, 4])


def test_a_batch_of_a_map_dataset_raises_out_of_a_worker_too(server: FaultServer) -> None:
    dataset = S3MapDataset("s3://data/train/", **options_of(server))
    gone(server)
    batches: Any = iter(DataLoader(dataset, batch_size=8, num_workers=1))
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=URI) as caught:
        list(batches)
    assert caught.value.uri == URI
    batches._shutdown_workers()


async def test_the_async_loader_raises_and_goes_on_raising(server: FaultServer) -> None:
    loader = create_async_loader("s3://data/train/", {"batch_size": 5}, transform=index_of, **options_of(server))
    gone(server)
    batches = aiter(loader)
    seen = []
    for _ in range(2):
        with pytest.raises(s3dlio_core.ObjectNotFoundError, match=URI):
            async for batch in batches:
                seen.append(batch)
    assert seen == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]


def stop_here(_: Any) -> Any:
    raise StopIteration


def bad_value(_: Any) -> Any:
    raise ValueError("no such label")


def test_a_failing_transform_raises_and_its_sample_is_not_counted(tmp_path: Path) -> None:
    uri = write_samples(tmp_path, 5)
    for transform, error in ((stop_here, RuntimeError), (bad_value, ValueError)):
        dataset = S3IterableDataset(uri, transform=transform)
        with pytest.raises(error):
            list(dataset)
        assert dataset.state_dict()["done"] == 0


def elsewhere(_: Any) -> Any:
    return s3dlio_core.get("file:///nowhere/at/all")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", [S3IterableDataset, S3MapDataset])
@pytest.mark.parametrize("transform", [bad_value, elsewhere, stop_here])
def test_a_failing_transform_names_the_sample(tmp_path: Path, kind: Any, workers: int, transform: Any) -> None:
    uri = write_samples(tmp_path, 2)
    errors = {bad_value: ValueError, elsewhere: s3dlio_core.ObjectNotFoundError, stop_here: RuntimeError}
    loader = DataLoader(kind(uri, transform=transform), batch_size=None, num_workers=workers)
    with pytest.raises(errors[transform]) as caught:
        list(loader)
    text = "".join(traceback.format_exception(caught.value))
    assert f"for the sample {uri}00000.bin" in text or f"raised StopIteration for {uri}00000.bin" in text
    if transform is elsewhere:
        assert caught.value.uri.startswith("file:///nowhere/at/")


def test_a_failing_transform_names_the_record(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of([("one.txt", b"1"), ("two.txt", b"2")]))
    dataset = S3MapDataset(f"file://{tmp_path}/", records="webdataset", transform=bad_value)
    with pytest.raises(ValueError, match="no such label") as caught:
        dataset[1]
    assert caught.value.__notes__ == [f"raised by the transform, for the sample file://{tmp_path}/a.tar#two"]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Neither processes nor shared memory nor threads, however a loop ends."""
    uri = write_samples(tmp_path, 30)

    def shared() -> set[str]:
        return {name for name in os.listdir("/dev/shm") if name.startswith("torch_")}

    before = shared()
    for leave_at in (1, 3, None):
        dataset = S3IterableDataset(uri, {"batch_size": 4})
        loader = DataLoader(dataset, batch_size=4, num_workers=2, persistent_workers=True)
        for number, _ in enumerate(loader):
            if number == leave_at:
                break
        samples = iter(AsyncLoader(dataset))
        next(samples)
        del dataset, loader, samples
    gc.collect()
    wait_until(lambda: not multiprocessing.active_children())
    wait_until(lambda: not any(thread.name.startswith("s3dlio-batches") for thread in threading.enumerate()))
    assert shared() <= before
