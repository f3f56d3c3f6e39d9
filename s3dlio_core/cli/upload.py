"""s3dlio upload"""

from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Jobs, Json
from s3dlio_core.cli.report import run_and_report
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.streams import STREAM, copy_in
from s3dlio_core.moving.local import files_of
from s3dlio_core.moving.plan import upload_jobs


@command("upload")
def upload(
    session: Session,
    sources: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, folders, globs in quotes; - is standard input.")
    ],
    folder: Annotated[str, typer.Argument(metavar="URI", help="The folder to upload to; behind - the object.")],
    *,
    create: Annotated[bool, typer.Option("--create-bucket", "-c", help="Create the bucket first.")] = False,
    jobs: Jobs = 32,
    json: Json = False,
) -> int:
    """Upload files and folders. The files below a folder keep their paths relative to it.

    \b
    Examples:
      s3dlio upload a.tar b.tar s3://train/data/
      s3dlio upload ./images s3://train/images/
      s3dlio upload './logs/**/*.csv' s3://train/logs/
      tar -c images | s3dlio upload - s3://train/images.tar
    """
    if STREAM in sources:
        if len(sources) > 1:
            raise typer.BadParameter("- goes alone: it becomes the object URI; a file of that name is ./-")
        if create:
            session.create_bucket_of(folder)
        return copy_in("upload", session, folder, json=json)
    planned = upload_jobs(files_of(sources), *session.into(folder))
    if create:
        session.create_bucket_of(folder)
    wanted = " ".join(sources)
    return run_and_report("upload", planned, jobs, json=json, verbosity=session.verbosity, wanted=wanted)
