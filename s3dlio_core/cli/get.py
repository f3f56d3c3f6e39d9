"""s3dlio get"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Jobs, Json, Length, Offset, Pattern, Recursive
from s3dlio_core.cli.report import run_and_report
from s3dlio_core.cli.select import from_keylist, from_uri
from s3dlio_core.cli.session import Session
from s3dlio_core.moving.jobs import Job
from s3dlio_core.moving.plan import download_jobs
from s3dlio_core.moving.transfer import read


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
    if folder is not None and (offset or length is not None):
        raise typer.BadParameter(
            "--offset and --length read into memory; s3dlio cat writes a part", param_hint="FOLDER"
        )
    if keylist is not None:
        sources = from_keylist(session, keylist, uri)
    elif uri is not None:
        sources = from_uri(session, uri, recursive=recursive, pattern=pattern)
    else:
        raise typer.BadParameter("missing; expected the URI of an object or a folder, or --keylist", param_hint="URI")

    def expected(size: int | None) -> int | None:
        known = None if size is None else max(size - offset, 0)
        return known if known is None or length is None else min(length, known)

    planned: Iterator[Job]
    if folder is None:
        planned = (Job(source.uri, expected(source.size), partial(read, source, offset, length)) for source in sources)
    else:
        planned = download_jobs(sources, folder)
    wanted = keylist if keylist is not None else uri
    return run_and_report("get", planned, jobs, json=json, verbosity=session.verbosity, wanted=wanted)
