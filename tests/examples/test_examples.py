"""The examples run as a reader would run them, on files and on an S3 server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNABLE = ["quickstart.py", "many_objects_async.py", "read_into_tensor.py", "train_from_prefix.py",
            "webdataset_shards.py", "load_huggingface_folder.py", "lightning_checkpoint.py"]  # fmt: skip
ON_RANKS = ["train_and_resume.py", "reshard_fsdp2.py"]  # they start several processes, which takes a while
EXPECTED = {
    "quickstart.py": ["b'hello, world'", "5 bytes, b'world'", "put twice: ObjectExistsError", "left:      []"],
    "many_objects_async.py": ["100000 bytes in 100 objects", "get_many: 100000 bytes", "timeout:  "],
    "read_into_tensor.py": ["whole equal:   True", "slices equal:  True", "bfloat16 equal: True"],
    "train_from_prefix.py": ["loss "],
    "train_and_resume.py": [
        "rank 0 of 2: step 5",
        "rank 0 of 1: step 19",
        "96 samples seen, 96 of them different, of 96",
    ],
    "reshard_fsdp2.py": ["saved by 2 ranks", *(f"rank {rank} of 3 holds" for rank in range(3)), "equal: True"],
    "load_huggingface_folder.py": ["saved:    3 objects", "equal:    True", "biases:   62 of 124", "(16, 64) True"],
    "lightning_checkpoint.py": ["saved after step 8", "went on to step 16"],
    "webdataset_shards.py": ["indexed:  100 samples in 4 shards", "40 before and 60 after the stop, 100 different"],
}


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=220)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it has started as well
            raise
    assert process.returncode == 0, stderr
    return stdout


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [*RUNNABLE, *ON_RANKS])
def test_runs_without_arguments(name: str) -> None:
    output = run(name)
    for text in EXPECTED[name]:
        assert text in output


@pytest.mark.parametrize("name", RUNNABLE)
def test_runs_on_direct_io(name: str, tmp_path: Path) -> None:
    output = run(name, f"direct://{tmp_path}/store/")
    for text in EXPECTED[name]:
        assert text in output


def test_the_demo_trains_on_files_and_reports(tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    output = run(
        "demo.py", "--uri", f"file://{tmp_path}/data", "--objects", "64", "--size", "64KiB", "--plot", str(plot)
    )
    assert "64 objects of 65536 bytes" in output
    assert "epoch 2: loss" in output
    assert "tensors, equal" in output
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_c_example_builds_as_it_says_and_reads(tmp_path: Path) -> None:
    from s3dlio_core import c_api

    text = (EXAMPLES / "c" / "read_object.c").read_text()
    lines = [line.removeprefix(" *").strip() for line in text.splitlines() if line.startswith(" *   ")]
    build = (
        "\n".join(lines[:3])
        .replace("python -m", f"{sys.executable} -m")
        .replace("read_object.c", str(EXAMPLES / "c" / "read_object.c"))
    )
    subprocess.run(["sh", "-ec", build], cwd=tmp_path, check=True)
    assert c_api.get_library().endswith(".so.1")
    (tmp_path / "greeting").write_text("hello from C")
    command = [tmp_path / "read_object", f"file://{tmp_path}/"]
    assert subprocess.run([*command, "greeting"], capture_output=True, text=True, check=True).stdout == (
        "12 of 12 bytes: hello from C\n"
    )
    missing = subprocess.run([*command, "none"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert f"get_into file://{tmp_path}/none" in missing.stderr


def test_every_example_is_listed_here_or_used_by_one() -> None:
    helpers = {"demo.py", "local_s3.py", "peer_datasets.py", "ranks.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*RUNNABLE, *ON_RANKS} | helpers
