"""s3dlio cp"""

import errno
import os
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from s3dlio_core import Store
from s3dlio_core.cli.app import command
from s3dlio_core.cli.location import has_scheme, locate
from s3dlio_core.cli.options import Jobs, Json, Pattern, Recursive
from s3dlio_core.cli.report import run_and_report
from s3dlio_core.cli.select import from_uri
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.streams import STREAM, copy_in, copy_out
from s3dlio_core.moving.jobs import Job
from s3dlio_core.moving.local import LocalFile, files_of, local_store
from s3dlio_core.moving.plan import copy_jobs, upload_jobs
from s3dlio_core.moving.source import Source


def destination(session: Session, target: str, *, many: bool) -> tuple[Store, Callable[[Source], str]]:
    """The store to copy to, and the key of each copy: `target` itself, or below it when many objects come, or when it
    is written or known as a folder.
    """
    if has_scheme(target):
        if many or not locate(target).name:
            store, front = session.into(target)
            return store, lambda source: front + source.name
        store, key = session.at(target, follow_link=False)
        return store, lambda _: key
    path = os.path.expanduser(target)
    if many or target.endswith("/") or os.path.isdir(path):
        return local_store(path), lambda source: source.name
    folder, name = os.path.split(os.path.abspath(path))
    return local_store(folder), lambda _: name


def copies_up(session: Session, source: str, target: str, *, recursive: bool) -> Iterable[Job]:
    """A local file to a key or into a folder; with `recursive` the files below a local folder."""
    if os.path.isdir(source) and not recursive:
        raise IsADirectoryError(errno.EISDIR, "is a folder; -r copies what is in it", source)
    if recursive or not locate(target).name:
        return upload_jobs(files_of(source), *session.into(target))
    store, key = session.at(target, follow_link=False)
    return upload_jobs([LocalFile(source, "", os.stat(source).st_size)], store, key)


@command("cp")
def cp(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A URI, or a local path; - is standard input.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A URI, or a local path; - is standard output.")],
    *,
    recursive: Recursive = False,
    pattern: Pattern = None,
    jobs: Jobs = 32,
    json: Json = False,
) -> int:
    """Copy objects. One goes to the key TARGET, or into it if it ends in a slash; with -r all below SOURCE.

    Within S3 the server copies, so no data passes through this machine. One side may be a local path, or - for standard
    input or output; a file of that name is ./-.

    \b
    Examples:
      s3dlio cp s3://train/a.tar s3://backup/2026/a.tar
      s3dlio cp -r s3://train/data/ file:///mnt/nvme/data/
      s3dlio cp ./a.tar s3://train/data/
      tar -c images | s3dlio cp - s3://train/images.tar
      s3dlio cp s3://train/images.tar - | tar -x
    """
    if STREAM in (source, target):
        if recursive or pattern is not None or not (has_scheme(source) or has_scheme(target)):
            reason = "- goes with one object of a URI, and without -r and -p"
            raise typer.BadParameter(reason, param_hint="SOURCE TARGET")
        if source == STREAM:
            return copy_in("cp", session, target, json=json)
        return copy_out("cp", session, source, json=json)
    planned: Iterable[Job]
    if has_scheme(source):
        sources = from_uri(session, source, recursive=recursive, pattern=pattern)
        planned = copy_jobs(sources, *destination(session, target, many=recursive or pattern is not None))
    elif has_scheme(target) and pattern is None:
        planned = copies_up(session, source, target, recursive=recursive)
    else:
        reason = "-p needs a URI to copy from" if has_scheme(target) else "both are local paths; expected a URI"
        raise typer.BadParameter(reason, param_hint="SOURCE TARGET")
    return run_and_report("cp", planned, jobs, json=json, verbosity=session.verbosity, wanted=source)
