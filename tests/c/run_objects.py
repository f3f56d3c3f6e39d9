"""Runs a program built from objects.c over files and an S3 server of our own, with credentials from each place.

python run_objects.py PROGRAM
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.fault_server import FaultServer


def run(program: Path, *arguments: str, **variables: str) -> None:
    """Raises unless the program says "ok"; of the environment it sees what a sanitizer needs and `variables`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.endswith("SAN_OPTIONS") or name in ("PATH", "LD_LIBRARY_PATH")
    }
    done = subprocess.run(
        [program, *arguments], env={**kept, **variables}, capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode != 0 or done.stdout != "ok\n":
        raise AssertionError(f"{arguments[0]}: {done.returncode}\n{done.stdout}{done.stderr}")


def over_files(program: Path, folder: Path) -> None:
    for scheme in ("file", "direct"):
        run(program, f"{scheme}://{folder}/{scheme}/")


def over_s3(program: Path, folder: Path) -> None:
    """Keys in the environment, in a profile, and as options; each is what the server then saw."""
    files = {
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(folder),
    }
    (folder / "credentials").write_text(
        "# keys\n[my profile]\naws_access_key_id = AKPROFILE\naws_secret_access_key = profile-s3cret\n"
    )
    with FaultServer() as server:
        (folder / "config").write_text(
            f'[profile "my profile"]\nendpoint_url = {server.endpoint_url}\nregion = eu-west-1\n'
        )
        keys_as_options = ["access_key_id", "AKOPTION", "secret_access_key", "s3cret"]
        environment = {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "env-s3cret", "AWS_REGION": "eu-north-1"}
        ways: list[tuple[str, list[str], dict[str, str]]] = [
            ("AKENV", [], {**environment, "AWS_ENDPOINT_URL": server.endpoint_url}),
            ("AKPROFILE", [], {"AWS_PROFILE": "my profile"}),
            ("AKPROFILE", ["profile", "my profile"], environment),
            ("AKOPTION", ["endpoint_url", server.endpoint_url, *keys_as_options], {}),
        ]  # fmt: skip
        for number, (key, options, variables) in enumerate(ways):
            server.objects.buckets.setdefault("bucket", {})
            server.forget()
            run(program, f"s3://bucket/way-{number}", *options, **files, **variables)
            signed = [request.headers["authorization"] for request in server.requests]
            assert signed, "nothing was asked"
            assert all(f"Credential={key}/" in each for each in signed), signed[0]
        assert not server.objects.buckets["bucket"], "objects stay behind"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("S3DLIO_TEST_FOLDER")) as name:
        over_files(Path(sys.argv[1]), Path(name))
        over_s3(Path(sys.argv[1]), Path(name))
