"""Starts a script on several ranks of this machine, as torchrun does."""

import os
import subprocess
import sys


def run_on_ranks(count: int, script: str, *arguments: str) -> None:
    """Run `script` on `count` ranks and wait; raises CalledProcessError when one of them fails."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    subprocess.run([*torchrun, script, *arguments], check=True, env={"OMP_NUM_THREADS": "1", **os.environ})
