"""What the checkpoint clients share: the state, where it is loaded to, and the slices of a resharding load."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from harness import Consume, Job, Prepared, Verb

Maker = Callable[[], Any]  # of a storage writer or a storage reader
MakerFor = Callable[[Job], Any]  # the same, where it depends on the job
WAYS = 8  # a resharding load wants one rank's rows out of so many


def tensor_of(index: int, size: int) -> torch.Tensor:
    """float32, `size` bytes, shape [rows, 1024]; any bits, fixed by `index`."""
    words = torch.empty(size // 4, dtype=torch.int32)
    words.random_(generator=torch.Generator().manual_seed(index))
    return words.view(torch.float32).view(-1, 1024)


def name_of(index: int) -> str:
    return f"layer.{index}.weight"


def weights(job: Job, store: Callable[[dict[str, torch.Tensor]], None], load: Callable[[], Any]) -> Prepared:
    """The work of loading one file of `job.count` tensors, written before by `store`; `load` gives name -> tensor."""
    store({name_of(index): tensor_of(index, job.size) for index in range(job.count)})
    found: dict[str, torch.Tensor] = {}

    def work(keys: Sequence[str], consume: Consume) -> None:
        found.clear()
        found.update(load())

    def check() -> None:
        for index in range(job.count):
            expect(name_of(index), found[name_of(index)], tensor_of(index, job.size))

    return Prepared(work, check)


def state_verbs(writer: MakerFor, reader: MakerFor) -> tuple[Verb, Verb, Verb]:
    """save_state, load_state and load_slices through storage of one kind."""

    def save_state(job: Job) -> Prepared:
        return saving(job, lambda: writer(job))

    def load_state(job: Job) -> Prepared:
        return loading(job, lambda: writer(job), lambda: reader(job))

    def load_slices(job: Job) -> Prepared:
        return resharding(job, lambda: writer(job), lambda: reader(job))

    return save_state, load_state, load_slices


def saving(job: Job, writer: Maker) -> Prepared:
    """The work of saving `job.count` tensors of `job.size` bytes."""
    state = {name_of(index): tensor_of(index, job.size) for index in range(job.count)}

    def work(keys: Sequence[str], consume: Consume) -> None:
        dcp.save(state, storage_writer=writer())

    return Prepared(work)


def loading(job: Job, writer: Maker, reader: Maker) -> Prepared:
    """The work of loading into tensors that are there, from a checkpoint that `writer` made before."""
    state = {name_of(index): tensor_of(index, job.size) for index in range(job.count)}
    dcp.save(state, storage_writer=writer())
    for tensor in state.values():
        tensor.fill_(0)

    def work(keys: Sequence[str], consume: Consume) -> None:
        dcp.load(state, storage_reader=reader())

    def check() -> None:
        for index in range(job.count):
            expect(name_of(index), state[name_of(index)], tensor_of(index, job.size))

    return Prepared(work, check)


def resharding(job: Job, writer: Maker, reader: Maker) -> Prepared:
    """The work of one rank of eight: its rows of every tensor, out of a checkpoint that holds them whole.

    `job.size` is what the rank wants of a tensor; stored are eight times as many bytes.
    """
    whole, rank = job.size * WAYS, 3
    dcp.save({name_of(index): tensor_of(index, whole) for index in range(job.count)}, storage_writer=writer())
    targets = _slices(job, rank)

    def work(keys: Sequence[str], consume: Consume) -> None:
        dcp.load(targets, storage_reader=reader(), no_dist=True)

    def check() -> None:
        for index in range(job.count):
            rows = tensor_of(index, whole).chunk(WAYS)[rank]
            expect(name_of(index), targets[name_of(index)].to_local(), rows)

    return Prepared(work, check)


def _slices(job: Job, rank: int) -> dict[str, Any]:
    """Rows of rank `rank` as DTensors, in a process group that has nobody else in it."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=WAYS)
    mesh = init_device_mesh("cpu", (WAYS,))
    rows = job.size // 4096
    return {
        name_of(index): DTensor.from_local(torch.full((rows, 1024), 0.5), mesh, [Shard(0)], run_check=False)
        for index in range(job.count)
    }


def expect(name: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    # As integers: random bits hold NaNs, and a NaN equals nothing.
    if not torch.equal(found.view(torch.int32), expected.view(torch.int32)):
        raise SystemExit(f"{name} came back with other bytes than were saved")
