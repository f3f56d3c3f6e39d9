"""Starts one client on one job, in a process of its own held to one core, and reads its figures."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Sample
from benchmarks.participants import JobFields, Participant
from benchmarks.servers import pinned

TIMEOUT_SECONDS = 900.0
_NOT_PASSED_ON = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class ClientFailed(Exception):
    """The client ended with an error; the message is its last line."""


def run_client(participant: Participant, verb: str, job: JobFields, core: int | None) -> Sample:
    """Runs the client once.

    Raises:
        ClientFailed: it did not give figures.
    """
    return Sample(**_run(pinned(participant.command(verb, job), core), job, ()))


def count_system_calls(participant: Participant, verb: str, job: JobFields, core: int | None) -> int | None:
    """System calls of the timed part, counted by perf in a run of its own; None where perf may not count them."""
    with _perf() as (words, environment, descriptors, output):
        command = [*words, *pinned(participant.command(verb, job), core)]
        try:
            _run(command, job, descriptors, environment)
        except ClientFailed:
            return None
        counts = [line.split(",")[0] for line in output.read_text().splitlines() if "sys_enter" in line]
        return int(counts[0]) if counts and counts[0].isdigit() else None


def _run(
    command: list[str], job: JobFields, descriptors: tuple[int, ...], extra: dict[str, str] | None = None
) -> JobFields:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            pass_fds=descriptors,
            env=client_environment(job) | (extra or {}),
        )
    except subprocess.TimeoutExpired:
        raise ClientFailed(f"did not end within {TIMEOUT_SECONDS:.0f} s") from None
    except OSError as error:
        raise ClientFailed(f"did not start: {error}") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ClientFailed(lines[-1][:300] if lines else f"exit status {done.returncode}")
    figures: JobFields = json.loads(done.stdout.splitlines()[-1])
    return figures


def client_environment(job: JobFields) -> dict[str, str]:
    """The caller's, without proxies and tunings, with dummy credentials and the server's address."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in _NOT_PASSED_ON and not name.startswith(("AWS_", "S3DLIO_"))
    }
    settings = {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if job["endpoint"]:
        settings |= {"AWS_ENDPOINT_URL": job["endpoint"], "AWS_ENDPOINT_URL_S3": job["endpoint"]}
    if job["ca"]:
        settings |= dict.fromkeys(("AWS_CA_BUNDLE", "AWS_CA_BUNDLE_PATH", "SSL_CERT_FILE"), str(job["ca"]))
    return kept | settings


@contextmanager
def _perf() -> Iterator[tuple[list[str], dict[str, str], tuple[int, ...], Path]]:
    """perf stat that waits for "enable" on a pipe and answers "ack" on another."""
    control_read, control_write = os.pipe()
    answer_read, answer_write = os.pipe()
    descriptors = (control_read, control_write, answer_read, answer_write)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-perf-") as folder:
            output = Path(folder, "counts")
            words = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-D", "-1"]
            words += ["--control", f"fd:{control_read},{answer_write}", "-o", str(output), "--"]
            yield words, {"BENCH_PERF_CONTROL": f"{control_write},{answer_read}"}, descriptors, output
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
