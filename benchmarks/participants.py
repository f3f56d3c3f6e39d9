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
    environment: str = ""  # clients of one environment share its packages; "": one of the client's own name
    private_ca: bool = True  # False: it can be told no certificate authority; it knows the system's bundle only

    @property
    def python(self) -> Path:
        return VENVS / (self.environment or self.name) / "bin" / "python" if self.requirements else Path(sys.executable)

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

_TORCH = "torch==2.13.0"  # of every peer and of this environment: the same work in the same framework
_PEERS_OF_LOADERS = (_TORCH, "s3torchconnector[dcp]", "boto3", "s3dlio==0.10.0", "webdataset")
PARTICIPANTS |= {
    one.name: one
    for one in (
        Client("torch_ours", "s3dlio-torch", "torch_ours.py"),
        Client(
            "torch_ours_unhashed",
            "s3dlio-torch, body not signed",
            "torch_ours.py",
            store_options={"payload_signing": "never"},
        ),
        Client("torch_files", "torch FileSystemWriter/Reader", "torch_files.py"),
        Client("torch_fsspec", "torch FsspecWriter/Reader on s3fs", "torch_fsspec.py", (_TORCH, "s3fs")),
        Client(
            "torch_s3torchconnector",
            "s3torchconnector",
            "torch_s3torchconnector.py",
            _PEERS_OF_LOADERS,
            environment="loaders",
        ),
        Client(
            "torch_boto3", "DataLoader on boto3, 2 workers", "torch_boto3.py", _PEERS_OF_LOADERS, environment="loaders"
        ),
        Client("torch_s3dlio", "s3dlio 0.10", "torch_s3dlio.py", _PEERS_OF_LOADERS, environment="loaders"),
        Client(
            "torch_webdataset",
            "webdataset, tar shards",
            "torch_webdataset.py",
            _PEERS_OF_LOADERS,
            environment="loaders",
        ),
        Client(
            "torch_streaming", "mosaicml-streaming, MDS shards", "torch_streaming.py", (_TORCH, "mosaicml-streaming")
        ),
        Client("torch_safetensors", "safetensors", "torch_safetensors.py", (_TORCH, "safetensors", "numpy")),
        Client(
            "torch_runai",
            "runai-model-streamer",
            "torch_runai.py",
            (_TORCH, "numpy", "safetensors", "runai-model-streamer[s3]"),
        ),
        Client(
            "torch_fastsafetensors",
            "fastsafetensors",
            "torch_fastsafetensors.py",
            (_TORCH, "safetensors", "numpy", "fastsafetensors"),
        ),
    )
}
OURS = ("ours", "torch_ours")
PEERS = ("s3dlio", "obstore", "s3torchconnector", "awscrt", "boto3", "s3fs")
