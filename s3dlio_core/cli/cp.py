"""s3dlio cp"""

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.local import local_store
from s3dlio_core.cli.location import has_scheme, locate
from s3dlio_core.cli.options import Jobs, Json, Pattern, Recursive
from s3dlio_core.cli.report import report
from s3dlio_core.cli.run_all import Outcome, run_all
from s3dlio_core.cli.select import Target, from_uri
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.transfer import Tell, piece_bytes, send_local_file, send_object
from s3dlio_core.cli.upload import upload_files

if TYPE_CHECKING:
    from s3dlio_core import Store
    from s3dlio_core._local import LocalFile


@dataclass(frozen=True)
class Destination:
    """Where copies go: to `key` itself, or below it when it is a folder."""

    store: "Store"
    key: str
    is_folder: bool
    by_server: bool

    def key_for(self, item: Target) -> str:
        return self.key + item.name if self.is_folder else self.key


def destination_of(session: Session, target: str, *, many: bool, from_s3: bool) -> Destination:
    """`target` as a place to copy to: a folder when many objects come, or when it is written or known as one."""
    if not has_scheme(target):
        path = os.path.expanduser(target)
        if many or target.endswith("/") or os.path.isdir(path):
            return Destination(local_store(path), "", is_folder=True, by_server=False)
        folder, name = os.path.split(os.path.abspath(path))
        return Destination(local_store(folder), name, is_folder=False, by_server=False)
    place = locate(target)
    by_server = from_s3 and place.scheme == "s3"
    if many or not place.name:
        store, front = session.into(target)
        return Destination(store, front, is_folder=True, by_server=by_server)
    store, key = session.at(target, follow_link=False)
    return Destination(store, key, is_folder=False, by_server=by_server)


def copy_objects(
    session: Session, source: str, target: str, *, pattern: str | None, recursive: bool, jobs: int
) -> Outcome:
    """Copy from a store to a store or a local path: within S3 by the server, elsewhere through memory."""
    many = recursive or pattern is not None
    destination = destination_of(session, target, many=many, from_s3=locate(source).scheme == "s3")
    piece = piece_bytes(jobs if many else 1)

    async def copy(item: Target, tell: Tell) -> int:
        key = destination.key_for(item)
        if destination.by_server:
            await destination.store.copy_async(item.key, key, source_store=item.store)
            return item.size or 0
        return await send_object(item, destination.store, key, piece=piece, tell=tell)

    found = from_uri(session, source, recursive=recursive, pattern=pattern, with_size=True)
    return run_all("cp", found, copy, uri_of=lambda item: item.uri, size_of=lambda item: item.size or 0, jobs=jobs)


def copy_up(session: Session, source: str, target: str, *, recursive: bool, jobs: int) -> Outcome:
    """Copy a local file to a key or into a folder; with `recursive` the files below a local folder."""
    if os.path.isdir(source) and not recursive:
        raise IsADirectoryError(errno.EISDIR, "is a folder; -r copies what is in it", source)
    if recursive or not locate(target).name:
        return upload_files(session, [source], target, operation="cp", jobs=jobs)
    from s3dlio_core._local import LocalFile

    store, key = session.at(target, follow_link=False)

    async def send(file: "LocalFile", tell: Tell) -> int:
        return await send_local_file(file, store, key, piece=piece_bytes(1), tell=tell)

    file = LocalFile(source, key, os.stat(source).st_size)
    return run_all("cp", [file], send, uri_of=lambda _: target, size_of=lambda item: item.size, jobs=1)


@command("cp")
def cp(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A URI, or a local path.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A URI, or a local path.")],
    *,
    recursive: Recursive = False,
    pattern: Pattern = None,
    jobs: Jobs = 32,
    json: Json = False,
) -> int:
    """Copy objects. One goes to the key TARGET, or into it if it ends in a slash; with -r all below SOURCE.

    Within S3 the server copies, so no data passes through this machine. One side may be a local path.

    \b
    Examples:
      s3dlio cp s3://train/a.tar s3://backup/2026/a.tar
      s3dlio cp -r s3://train/data/ file:///mnt/nvme/data/
      s3dlio cp ./a.tar s3://train/data/
    """
    if has_scheme(source):
        outcome = copy_objects(session, source, target, pattern=pattern, recursive=recursive, jobs=jobs)
    elif has_scheme(target) and pattern is None:
        outcome = copy_up(session, source, target, recursive=recursive, jobs=jobs)
    else:
        reason = "-p needs a URI to copy from" if has_scheme(target) else "both are local paths; expected a URI"
        raise typer.BadParameter(reason, param_hint="SOURCE TARGET")
    return report(outcome, json=json, verbosity=session.verbosity)
