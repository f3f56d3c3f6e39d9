"""All commands: importing a command's file makes it known to the program."""

from s3dlio_core.cli import (
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
    upload,
)
from s3dlio_core.cli.app import app

__all__ = [
    "cat",
    "cp",
    "create_bucket",
    "delete",
    "delete_bucket",
    "download",
    "env",
    "get",
    "index",
    "list",
    "list_buckets",
    "put",
    "stat",
    "upload",
    "register",
]


def register() -> None:
    """Put the commands in order for the help page; importing this file has made them known."""
    app.registered_commands.sort(key=lambda command: command.name or "")
