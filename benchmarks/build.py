"""Builds the C++ programs of the benchmarks: the in-memory S3 server and the bare loops."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.places import PROGRAMS_BUILD, ROOT, program


def tool(name: str) -> str | None:
    """A program beside this Python, else on the path; None when it is nowhere."""
    beside = Path(sysconfig.get_path("scripts")) / name
    return str(beside) if beside.exists() else shutil.which(name)


def build_programs() -> None:
    """Configures once, then lets the build tool decide what is out of date.

    Raises:
        RuntimeError: cmake is missing, or the build failed; carries the end of its output.
    """
    if "S3DLIO_BENCH_PROGRAMS" in os.environ:
        return
    cmake = tool("cmake")
    if cmake is None:
        raise RuntimeError("cmake is needed to build the bench server: pip install cmake ninja")
    if not (PROGRAMS_BUILD / "CMakeCache.txt").exists():
        ninja = tool("ninja")
        generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
        _run([cmake, "-S", str(ROOT), "-B", str(PROGRAMS_BUILD), *generator, "-DS3DLIO_BENCHMARKS=ON"])
    _run([cmake, "--build", str(PROGRAMS_BUILD), "--target", "bench_server", "bare_recv", "bare_send"])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    build_programs()
    sys.stdout.write(f"{program('bench_server').parent}\n")
