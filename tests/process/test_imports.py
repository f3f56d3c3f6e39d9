"""What importing costs and drags in, and that other libraries' OpenSSL does not get in our way."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers.access import credentials_of
from servers.content import MIB, content
from servers.fault_server import FaultServer

DATA = content(3 * MIB + 17, seed=33)


def modules_loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


# Dear, and loaded where they are first needed.
LATE = {
    "asyncio", "boto3", "botocore", "h5py", "http.client", "rich", "ssl", "zipfile", "zstandard",
    "s3dlio_core.run.on_loop", "s3dlio_core.checkpoint", "s3dlio_core.loader", "s3dlio_core.records",
}  # fmt: skip


def test_core_imports_no_framework() -> None:
    loaded = modules_loaded_by("import s3dlio_core")
    assert loaded.isdisjoint({"torch", "tensorflow", "jax", "numpy"})
    assert loaded.isdisjoint(LATE | {"typer", "s3dlio_core.cli"})


def test_help_of_the_program_imports_only_what_it_shows() -> None:
    """The whole program is imported for --help; a quarter of a second is what a person does not notice."""
    loaded = modules_loaded_by("import s3dlio_core.cli")
    assert loaded.isdisjoint(LATE | {"torch", "tensorflow", "jax", "numpy", "dotenv"})
    code = """if True:
        import sys, time
        sys.argv = ["s3dlio", "--help"]
        try:
            from s3dlio_core.cli import main
            main()
        except SystemExit:
            print(time.process_time(), file=sys.stderr)
    """
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def took() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60, env=cached)
        assert b"Commands:" in done.stdout
        return float(done.stderr)

    assert min(took() for _ in range(3)) < 0.3


def test_core_opens_no_sockets_and_threads_on_import() -> None:
    code = "import os, s3dlio_core; print(len(os.listdir('/proc/self/task')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "1"


READ_OVER_TLS = """
{first}
import s3dlio_core
store = s3dlio_core.open_store("s3://data/", **{options!r})
data = store.get("a")
import hashlib
print(hashlib.sha256(data).hexdigest(), flush=True)
store.close()
"""


@pytest.mark.parametrize("first", ["", "import ssl, urllib.request", "import torch", "import tensorflow"])
def test_https_after_other_libraries(tls_server: FaultServer, ca_bundle: Path, first: str) -> None:
    """TensorFlow exports BoringSSL's symbols to the whole process: whoever binds to a shared libssl then crashes."""
    library = first.removeprefix("import ").partition(",")[0]
    if library and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    import hashlib

    tls_server.put_object("data", "a", DATA)
    code = READ_OVER_TLS.format(first=first, options={**credentials_of(tls_server), "ca_bundle": str(ca_bundle)})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == hashlib.sha256(DATA).hexdigest()


def test_two_stores_of_different_kinds_side_by_side(tls_server: FaultServer, fault_server, store_on, ca_bundle) -> None:
    tls_server.put_object("data", "a", DATA)
    fault_server.put_object("data", "a", DATA[::-1])
    one, two = store_on(tls_server, ca_bundle=str(ca_bundle)), store_on(fault_server)
    for _ in range(3):
        assert one.get("a") == DATA
        assert two.get("a") == DATA[::-1]
