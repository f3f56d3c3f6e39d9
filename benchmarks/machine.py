"""What the page says about the machine: enough to compare, nothing that names it."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path


def describe() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0))
    shared = "client and server on one each" if cores > 1 else "shared by client and server"
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": f"{cores}, {shared}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "nginx": _version("nginx", "-v"),
        "fio": _version("fio", "--version"),
        "openssl": _version("openssl", "version"),
    }


def _field(path: str, name: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(program: str, word: str) -> str:
    executable = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if executable is None:
        return "not there"
    done = subprocess.run([executable, word], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found.group() if found else "unknown"
