"""s3dlio download"""

from dataclasses import replace
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.location import locate
from s3dlio_core.cli.options import Jobs, Json, Pattern, matching
from s3dlio_core.cli.report import run_and_report
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.streams import STREAM, copy_out
from s3dlio_core.moving.found import found
from s3dlio_core.moving.plan import download_jobs


@command("download")
def download(
    session: Session,
    uri: Annotated[str, typer.Argument(metavar="URI", help="An object, or the folder of objects.")],
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Local folder, made where it is missing; - is standard output.")
    ],
    *,
    flat: Annotated[bool, typer.Option("--flat", help="Only one level, not everything below.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", hidden=True)] = True,
    pattern: Pattern = None,
    jobs: Jobs = 64,
    json: Json = False,
) -> int:
    """Download objects into a folder. Paths below URI are kept; nothing is written outside FOLDER.

    A file appears under its name only when it is whole.

    \b
    Examples:
      s3dlio download s3://train/data/a.tar .
      s3dlio download s3://train/images/ ./images
      s3dlio download -p '\\.csv$' s3://train/ ./tables
      s3dlio download s3://train/images.tar - | tar -x
    """
    if folder == STREAM:
        if pattern is not None:
            raise typer.BadParameter("standard output takes one object; without -p", param_hint="FOLDER")
        return copy_out("download", session, uri, json=json)
    store, key = session.at_or_below(uri)
    sources = found(store, key, recursive=recursive and not flat, wanted=matching(pattern))
    # An object that was named by a link keeps the link's name.
    named = (replace(source, name=locate(uri).name) if source.key == key else source for source in sources)
    planned = download_jobs(named, folder)
    return run_and_report("download", planned, jobs, json=json, verbosity=session.verbosity, wanted=uri)
