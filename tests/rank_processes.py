"""Ranks of a job as processes of this machine, in a gloo group.

    python -m rank_processes OUT <steps

runs steps one after another, each on ranks that are forked from this process, which has imported torch once and
computed nothing. run_ranks() and outcomes_of() start it.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
import torch.distributed as dist

_PATIENCE_SECONDS = 100.0  # less than pytest's own
_TESTS = Path(__file__).parent

Step = tuple[Any, ...]  # how many ranks, the function they all call, its arguments


class Outcome(NamedTuple):
    """How a rank ended."""

    result: Any = None  # what the function returned
    error: str = ""  # or the traceback of what it raised
    killed_by: int = 0  # or the signal that ended the process


def run_ranks(folder: Path, *steps: Step) -> list[list[Any]]:
    """What the function of each step returned on each rank; a rank that fails fails the test.

    Args:
        folder: Exists; holds what passes between the processes.
        steps: (ranks, function, *arguments); the function belongs to a module below tests/, and is called by each rank.
    """
    outcomes = outcomes_of(folder, *steps, go_on=False)
    failed = [outcome for ranks in outcomes for outcome in ranks if _failed(outcome)]
    assert not failed, "\n".join(outcome.error or f"ended by signal {outcome.killed_by}" for outcome in failed)
    return [[outcome.result for outcome in ranks] for ranks in outcomes]


def outcomes_of(folder: Path, *steps: Step, go_on: bool = True) -> list[list[Outcome]]:
    """As run_ranks(), where ranks are expected to fail: how each rank of each step ended.

    Args:
        go_on: False: a step in which a rank failed is the last one.
    """
    out = folder / "outcomes"
    out.mkdir()
    paths = os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")])
    program = subprocess.Popen(
        [sys.executable, "-m", "rank_processes", str(out)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        program.communicate(pickle.dumps((steps, go_on)), timeout=_PATIENCE_SECONDS)
    except BaseException:
        os.killpg(program.pid, signal.SIGKILL)  # the ranks too
        program.wait()
        raise
    assert program.returncode == 0
    return [[Outcome(*outcome) for outcome in ranks] for ranks in pickle.loads((out / "all").read_bytes())]


def _failed(outcome: Outcome) -> bool:
    return bool(outcome.error or outcome.killed_by)


@contextmanager
def gloo_group(meeting: Path | None = None) -> Iterator[None]:
    """The group of the ranks that RANK and WORLD_SIZE tell of; left by all of them together, or after an error at once.

    Args:
        meeting: A file that does not exist, where they meet; None: where torchrun says.
    """
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    where = None if meeting is None else f"file://{meeting}"
    dist.init_process_group("gloo", where, timedelta(seconds=60), world_size, rank)
    try:
        yield
        dist.barrier()
    finally:
        # gloo's thread lets go of the last tensors first, or the end of the group may wait for it for ever.
        time.sleep(0.5)
        dist.destroy_process_group()


def _on_ranks(out: Path, count: int, function: Callable[..., Any], *arguments: Any) -> list[Outcome]:
    ranks = []
    for rank in range(count):
        process = os.fork()
        if process == 0:
            _be_rank(out / f"of-{rank}", out / "meeting", rank, count, lambda: function(*arguments))
        ranks.append(process)
    statuses = [os.waitpid(process, 0)[1] for process in ranks]
    return [
        Outcome(killed_by=os.WTERMSIG(status))
        if os.WIFSIGNALED(status)
        else Outcome(*pickle.loads((out / f"of-{rank}").read_bytes()))
        for rank, status in enumerate(statuses)
    ]


def _be_rank(out: Path, meeting: Path, rank: int, count: int, work: Callable[[], Any]) -> NoReturn:
    """The life of a forked process."""
    result, error = None, ""
    try:
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count)}
        with gloo_group(meeting):
            result = work()
    except BaseException:
        error = f"rank {rank} of {count}: {traceback.format_exc()}"
    try:
        out.write_bytes(pickle.dumps((result, error)))
    finally:
        os._exit(0)


def main() -> None:
    out = Path(sys.argv[1])
    steps, go_on = pickle.load(sys.stdin.buffer)
    outcomes: list[list[Outcome]] = []
    for number, step in enumerate(steps):
        folder = out / str(number)
        folder.mkdir()
        outcomes.append(_on_ranks(folder, *step))
        if not go_on and any(map(_failed, outcomes[-1])):
            break
    (out / "all").write_bytes(pickle.dumps([[tuple(outcome) for outcome in ranks] for ranks in outcomes]))


if __name__ == "__main__":
    main()
