"""Who takes part: name, title, and how to start it on a job."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.places import CLIENTS, VENVS, program

JobFields = dict[str, Any]

# In a mount namespace of its own the client finds our authority where the system's bundle is. Takes root.
_SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_OVER_SYSTEM_BUNDLE = ["unshare", "-m", "sh", "-c", f'mount --bind "$0" {_SYSTEM_BUNDLE} && exec "$@"']


@dataclass(frozen=True)
class Client:
    """A Python client: a script of clients/ in an environment of its own. No requirements: in this environment."""

    name: str
    title: str
    script: str
    requirements: tuple[str, ...] = ()
    tuning: JobFields = field(default_factory=dict)
    store_options: JobFields = field(default_factory=dict)
    private_ca: bool = True  # False: it can be told no certificate authority; it knows the system's bundle only

    @property
    def python(self) -> Path:
        return VENVS / self.name / "bin" / "python" if self.requirements else Path(sys.executable)

    def command(self, verb: str, job: JobFields) -> list[str]:
        own_job = {**job, "tuning": self.tuning, "store_options": self.store_options}
        command = [str(self.python), str(CLIENTS / self.script), verb, json.dumps(own_job)]
        return [*_OVER_SYSTEM_BUNDLE, job["ca"], *command] if job["ca"] and not self.private_ca else command


@dataclass(frozen=True)
class BareLoop:
    """bare_recv or bare_send: what the same bytes cost with nothing around them."""

    name: str
    title: str
    extra: Sequence[str] = ()
    requirements: tuple[str, ...] = ()
    private_ca: bool = True

    def command(self, verb: str, job: JobFields) -> list[str]:
        large = verb in ("get_into", "get_buffer", "put_large")
        part = min(job["size"], 8 << 20)
        words: dict[str, Any] = {
            "port": job["endpoint"].rpartition(":")[2],
            "target": f"/{job['bucket']}/{job['prefix']}",
            "size": job["size"],
            "count": job["count"],
            "connections": 8 if large else job["in_flight"],
            "repeats": job["repeats"],
        }
        if verb == "put_large":  # as many objects as a multipart upload has parts: the same bytes, no bookkeeping
            words |= {"size": part, "count": job["count"] * (job["size"] // part)}
        elif large:
            words |= {"part": part, "target": words["target"] + "00000000", "count": 0}
        else:
            words |= {"window": job["in_flight"] * job["size"]}
        if job["ca"]:
            words["ca"] = job["ca"]
        name = "bare_send" if verb.startswith("put") else "bare_recv"
        if verb.startswith("put"):
            words["checksum"] = "crc64nvme"
        command = [str(program(name))]
        for word, value in words.items():
            command += [f"--{word}", str(value)]
        return [*command, *self.extra]


Participant = Client | BareLoop

PARTICIPANTS: dict[str, Participant] = {
    one.name: one
    for one in (
        BareLoop("bare", "bare loop"),
        BareLoop("bare_fresh", "bare loop, fresh memory each time", ("--fresh", "1")),
        BareLoop("bare_unchecked", "bare loop, no checksum", ("--checksum", "none")),
        BareLoop("bare_hashed", "bare loop, body hashed as well", ("--sha256", "1")),
        Client("fio", "fio", "via_fio.py"),
        Client("ours", "s3dlio-torch", "ours.py"),
        Client("ours_unverified", "s3dlio-torch, verification off", "ours.py", tuning={"verify": "never"}),
        Client("ours_unhashed", "s3dlio-torch, body not signed", "ours.py", store_options={"payload_signing": "never"}),
        Client("s3dlio", "s3dlio 0.10", "via_s3dlio.py", ("s3dlio==0.10.0",)),
        Client("obstore", "obstore", "via_obstore.py", ("obstore",)),
        Client(
            "s3torchconnector",
            "s3torchconnector",
            "via_s3torchconnector.py",
            ("torch==2.13.0", "s3torchconnector"),
            private_ca=False,
        ),
        Client("awscrt", "awscrt", "via_awscrt.py", ("awscrt",)),
        Client("boto3", "boto3", "via_boto3.py", ("boto3",)),
        Client("s3fs", "s3fs", "via_s3fs.py", ("s3fs",)),
    )
}
PEERS = ("s3dlio", "obstore", "s3torchconnector", "awscrt", "boto3", "s3fs")
