"""Stop in the middle of an epoch and go on with another number of GPUs: python examples/train_and_resume.py [uri]

Two ranks train for some steps and stop; one rank ends the epoch. Every sample is seen exactly once. On a cluster start
it with torchrun, as the two lines at the end do.
"""

import json
import os
import sys
import tempfile
from contextlib import nullcontext

import torch
import torch.distributed as dist
from ranks import leave_ranks, run_on_ranks
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.nn.parallel import DistributedDataParallel
from torchdata.stateful_dataloader import StatefulDataLoader

import s3dlio_core
from s3dlio_torch import S3IterableDataset, merge_states
from s3dlio_torch.dcp import CheckpointManager

SAMPLES, BATCH = 96, 4


def train(uri: str, most_steps: int) -> None:
    """One life of the job, on each of its ranks."""
    dist.init_process_group("gloo")
    dataset = S3IterableDataset(
        f"{uri}data/",
        {"shuffle": True, "seed": 7, "batch_size": BATCH},
        transform=lambda sample: sample.view(torch.float32),  # uint8, shape [256] -> float32, shape [64]
    )
    model = DistributedDataParallel(torch.nn.Linear(64, 1))
    optimizer = torch.optim.AdamW(model.parameters())
    manager = CheckpointManager(f"{uri}run/", keep_last=2)
    step = restore(manager, model, optimizer, dataset)

    loader = StatefulDataLoader(dataset, batch_size=BATCH, num_workers=2, multiprocessing_context="fork")
    seen: list[int] = []
    for batch in loader:
        loss = model(batch).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        seen += [int(number) for number in batch[:, 0].tolist()]
        if step == most_steps:
            break
    print(f"rank {dist.get_rank()} of {dist.get_world_size()}: step {step}, samples {seen}", flush=True)

    states = [None] * dist.get_world_size()
    dist.all_gather_object(states, loader.state_dict())
    save(manager, step, model, optimizer, merge_states(states))
    everyone = [[]] * dist.get_world_size()
    dist.all_gather_object(everyone, seen)
    if dist.get_rank() == 0:
        with s3dlio_core.open_store(uri) as store:
            store.put(f"seen-{step}.json", json.dumps([number for rank in everyone for number in rank]).encode())
    leave_ranks()


def save(manager: CheckpointManager, step: int, model, optimizer, position: dict) -> None:
    weights, moments = get_state_dict(model, optimizer)
    manager.save(step, {"model": weights, "optimizer": moments, "position": json.dumps(position), "step": step})


def restore(manager: CheckpointManager, model, optimizer, dataset) -> int:
    """The step to go on from; 0 in the first life."""
    if manager.latest_step() is None:
        return 0
    weights, moments = get_state_dict(model, optimizer)
    state = {"model": weights, "optimizer": moments, "position": "", "step": 0}
    manager.restore(state)
    set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    dataset.load_state_dict(json.loads(state["position"]))
    return state["step"]


def main(uri: str) -> None:
    with s3dlio_core.open_store(uri) as store:
        store.put_many((f"data/{i:03d}", torch.full((64,), float(i))) for i in range(SAMPLES))
        run_on_ranks(2, __file__, uri, "5")  # 2 ranks x 5 steps x 4 samples: 40 of 96
        run_on_ranks(1, __file__, uri, "1000")
        seen = [number for item in store.list("seen-") for number in json.loads(bytes(store.get(item.key)))]
    print(f"{len(seen)} samples seen, {len(set(seen))} of them different, of {SAMPLES}")


if __name__ == "__main__":
    if "RANK" in os.environ:
        train(sys.argv[1], int(sys.argv[2]))
    else:
        with nullcontext() if len(sys.argv) > 1 else tempfile.TemporaryDirectory() as folder:
            main(sys.argv[1] if folder is None else f"file://{folder}/")
