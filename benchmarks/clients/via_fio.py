"""fio reading one file, cold: what the disk gives at a block size and depth. Speaks as the other clients do."""

import json
import subprocess
import sys
from typing import Any

import harness
from harness import Job

ENGINES = {  # the first that runs here; both keep job.options["depth"] blocks under way
    "io_uring": ["--ioengine=io_uring", "--iodepth={depth}"],
    "psync": ["--ioengine=psync", "--numjobs={depth}", "--thread", "--offset_increment={slice}", "--io_size={slice}"],
}


def read_once(job: Job, engine: list[str]) -> dict[str, Any] | None:
    """fio's report of one run; None when this engine does not run here."""
    options = job.options
    places = {"depth": options["depth"], "slice": job.size // options["depth"]}
    command = [
        "fio", "--name=read", f"--filename={job.cold}", "--rw=read", f"--bs={options['block']}",
        f"--size={job.size}", f"--direct={int(options['direct'])}", "--invalidate=1", "--readonly",
        "--group_reporting", "--output-format=json", *(word.format(**places) for word in engine),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["jobs"][0] if done.returncode == 0 else None


def main() -> None:
    job = Job(**json.loads(sys.argv[2]))
    before, seconds = harness.cpu_seconds(), 0.0
    for _ in range(job.repeats):
        assert job.cold is not None
        harness.drop_from_page_cache(job.cold)
        reports = (read_once(job, engine) for engine in ENGINES.values())
        report = next((one for one in reports if one is not None), None)
        if report is None or report["read"]["io_bytes"] != job.size:
            sys.exit("fio did not read the file with any engine")
        seconds += report["read"]["runtime"] / 1000
    after = harness.cpu_seconds()
    total = {"seconds": seconds, "user_seconds": after[0] - before[0], "system_seconds": after[1] - before[1]}
    version = subprocess.run(["fio", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    amounts = {"bytes": job.size * job.repeats, "objects": job.repeats, "peak_memory_bytes": 0}
    sys.stdout.write(json.dumps({**total, **amounts, "version": version}) + "\n")


if __name__ == "__main__":
    main()
