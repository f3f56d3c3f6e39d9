"""moto in a process of its own, with one user whose signatures are checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

import boto3

from servers.seaweedfs import free_ports

_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


# Ends with whoever started it, however that ends.
_UNTIL_INPUT_ENDS = """
import os, sys, threading
def leave():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
from moto.server import main
main(sys.argv[1:])
"""


class MotoServer:
    """moto on a free loopback port.

    Attributes:
        endpoint_url: e.g. "http://127.0.0.1:34567"; known once started.
        access_key, secret_key, region: What a client signs with; anything else is refused.
    """

    region = "us-east-1"

    def __init__(self, folder: Path, *, start_timeout_seconds: float = 30.0) -> None:
        self.endpoint_url = ""
        self.access_key = ""
        self.secret_key = ""
        self._log_path = folder / "moto.log"
        self._start_timeout_seconds = start_timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> MotoServer:
        """Start it, wait until it answers, make the user and turn checking on.

        Raises:
            RuntimeError: It did not answer in time; the text ends with its log.
        """
        port = free_ports(1)[0]
        self.endpoint_url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-P", "-c", _UNTIL_INPUT_ENDS, "-H", "127.0.0.1", "-p", str(port)]
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=_environment())
        self._wait_until_it_answers()
        self._make_user()
        self._check_signatures_from_now()
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=10)
            assert process.stdin is not None
            process.stdin.close()

    def log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def __enter__(self) -> MotoServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        end = time.monotonic() + self._start_timeout_seconds
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.endpoint_url + "/moto-api/data.json", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"moto did not start at {self.endpoint_url}\n{self.log()[-4000:]}")

    def _make_user(self) -> None:
        iam = boto3.client(
            "iam",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id="before-checking",
            aws_secret_access_key="before-checking",
        )
        iam.create_user(UserName="tests")
        iam.put_user_policy(UserName="tests", PolicyName="all", PolicyDocument=json.dumps(_EVERYTHING))
        key = iam.create_access_key(UserName="tests")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        iam.close()

    def _check_signatures_from_now(self) -> None:
        # moto checks none until this many requests were made; the number may be changed while it runs.
        url, plain = f"{self.endpoint_url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, data=b"0", headers=plain, method="POST")
        with urllib.request.urlopen(request, timeout=5):
            pass


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
