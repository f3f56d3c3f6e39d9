"""Starts a script on several ranks of this machine, as torchrun does, and ends them."""

import os
import subprocess
import sys
import time


def run_on_ranks(count: int, script: str, *arguments: str) -> None:
    """Run `script` on `count` ranks and wait; raises CalledProcessError when one of them fails."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    subprocess.run([*torchrun, script, *arguments], check=True, env={"OMP_NUM_THREADS": "1", **os.environ})


def leave_ranks() -> None:
    """Wait for the other ranks, then end the process group.

    gloo's thread needs Python to let go of the last collective's tensors, and the end of the group holds Python while
    it waits for that thread: without a pause between the two a rank now and then hangs at its end.
    """
    import torch.distributed as dist

    dist.barrier()
    time.sleep(0.5)
    dist.destroy_process_group()
