"""The whole program: every command, and the entry point. Importing a command's file makes it known to the app."""

import os
import sys

from s3dlio_core.cli import (  # noqa: F401
    cat,
    cp,
    create_bucket,
    delete,
    delete_bucket,
    download,
    env,
    get,
    index,
    list,
    list_buckets,
    put,
    stat,
    sweep,
    upload,
)
from s3dlio_core.cli.app import app

__all__ = ["main"]


def main() -> None:
    """Entry point of `s3dlio` and `s3-cli`."""
    # Names of files need not be UTF-8, and keys need not suit the locale.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    app.registered_commands.sort(key=lambda command: command.name or "")
    name = os.path.basename(sys.argv[0])
    app(prog_name=name if name in ("s3dlio", "s3-cli") else "s3dlio")
