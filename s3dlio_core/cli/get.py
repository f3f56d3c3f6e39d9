"""s3dlio get"""

from collections.abc import Iterator
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.local import local_store
from s3dlio_core.cli.options import Jobs, Json, Length, Offset, Pattern, Recursive
from s3dlio_core.cli.report import report
from s3dlio_core.cli.run_all import run_all
from s3dlio_core.cli.select import Target, from_keylist, from_uri
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.transfer import Tell, piece_bytes, read_object, send_object


def _targets(
    session: Session, uri: str | None, *, keylist: str | None, recursive: bool, pattern: str | None
) -> Iterator[Target]:
    if keylist is not None:
        return from_keylist(session, keylist, uri)
    if uri is None:
        raise typer.BadParameter("missing; expected the URI of an object or a folder, or --keylist", param_hint="URI")
    return from_uri(session, uri, recursive=recursive, pattern=pattern, with_size=True)


@command("get")
def get(
    session: Session,
    uri: Annotated[
        str | None, typer.Argument(metavar="[URI]", help="An object; with -r or -p a folder.", show_default=False)
    ] = None,
    folder: Annotated[
        str | None, typer.Argument(metavar="[FOLDER]", help="Where to write; default: read into memory and let go.")
    ] = None,
    *,
    recursive: Recursive = False,
    pattern: Pattern = None,
    keylist: Annotated[
        str | None, typer.Option("--keylist", metavar="FILE", help="URIs or keys below URI, one a line; - is stdin.")
    ] = None,
    offset: Offset = 0,
    length: Length = None,
    jobs: Jobs = 64,
    json: Json = False,
) -> int:
    """Read objects and tell the rate. They go to memory, as for a training job, or below FOLDER.

    \b
    Examples:
      s3dlio get s3://train/data/a.tar
      s3dlio get -r s3://train/data/ -j 64
      s3dlio get -r s3://train/data/ ./copy
      s3dlio get --keylist keys.txt s3://train/data/
      s3dlio get --offset 1MiB --length 64k s3://train/data/a.tar
    """
    whole = offset == 0 and length is None
    if folder is not None and not whole:
        raise typer.BadParameter(
            "--offset and --length read into memory; s3dlio cat writes a part", param_hint="FOLDER"
        )
    targets = _targets(session, uri, keylist=keylist, recursive=recursive, pattern=pattern)
    single = not recursive and pattern is None and keylist is None
    piece = piece_bytes(1 if single else jobs)
    store = None if folder is None else local_store(folder)

    async def fetch(target: Target, tell: Tell) -> int:
        if store is not None:
            return await send_object(target, store, target.name, piece=piece, tell=tell)
        moved = 0
        async for data in read_object(target, start=offset, length=length, piece=piece):
            moved += len(data)
            tell(len(data))
        return moved

    def size_of(target: Target) -> int:
        known = max((target.size or 0) - offset, 0)
        return known if length is None else min(length, known)

    outcome = run_all(
        "get",
        targets,
        fetch,
        uri_of=lambda target: target.uri,
        size_of=size_of if keylist is None else None,
        jobs=jobs,
    )
    return report(outcome, json=json, verbosity=session.verbosity)
