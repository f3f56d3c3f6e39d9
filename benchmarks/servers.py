"""Loopback servers: ours in memory, and nginx over files. Both pinned to a core, both gone with their `with` block."""

import getpass
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificate import Certificate
from benchmarks.places import program
from benchmarks.ports import free_port, wait_for_port


@dataclass(frozen=True)
class Server:
    """A server that listens: its address, and its counters where it keeps some."""

    port: int
    certificate: Certificate | None = None

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def counters(self) -> dict[str, int]:
        """connections, requests, bytes_in, bytes_out since the start. Bench server without TLS only."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.endpoint}/-/") as answer:
            counters: dict[str, int] = json.load(answer)
        return counters


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """The command, held to one core; as it is where there is no second core to hold the other side to."""
    return list(command) if core is None else ["taskset", "-c", str(core), *command]


@contextmanager
def bench_server(
    *,
    buckets: Sequence[str] = (),
    seeds: Sequence[str] = (),
    certificate: Certificate | None = None,
    discard: bool = False,
    verify: bool = False,
    core: int | None = None,
) -> Iterator[Server]:
    """Our in-memory S3 server. `seeds` are "BUCKET/PREFIX,COUNT,SIZE"; see benchmarks/csrc/server/bench_server.cpp."""
    command = [str(program("bench_server")), "--die-with-parent"]
    command += [word for bucket in buckets for word in ("--bucket", bucket)]
    command += [word for seed in seeds for word in ("--seed", seed)]
    if certificate is not None:
        command += ["--cert", str(certificate.chain), "--key", str(certificate.key)]
    command += ["--discard"] * discard + ["--verify"] * verify
    with subprocess.Popen(pinned(command, core), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            word, _, port = process.stdout.readline().partition(" ")
            if word != "ready":
                raise RuntimeError(f"the bench server did not start (exit status {process.wait()})")
            yield Server(int(port), certificate)
        finally:
            process.kill()


@contextmanager
def nginx(root: Path, *, certificate: Certificate | None = None, core: int | None = None) -> Iterator[Server]:
    """nginx over the files below `root`: /bucket/key is root/bucket/key. One worker, sendfile, endless keep-alive."""
    executable = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if executable is None:
        raise RuntimeError("nginx is needed for the reading benchmarks: apt-get install nginx-light")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(_nginx_config(Path(folder), root, port, certificate))
        command = pinned([executable, "-p", folder, "-e", f"{folder}/error.log", "-c", str(config)], core)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for_port(port, process)
                yield Server(port, certificate)
            finally:
                process.terminate()


def _nginx_config(folder: Path, root: Path, port: int, certificate: Certificate | None) -> str:
    secure = "" if certificate is None else " ssl"
    tls = (
        ""
        if certificate is None
        else f"""
    ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};
    ssl_protocols TLSv1.3; ssl_session_cache shared:S:1m;"""
    )
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    temporaries = "".join(
        f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; sendfile_max_chunk 2m; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 100000000; keepalive_timeout 1h; default_type application/octet-stream;
  open_file_cache max=20000 inactive=1h; {temporaries}
  server {{
    listen 127.0.0.1:{port}{secure}; root {root};{tls}
  }}
}}
"""
