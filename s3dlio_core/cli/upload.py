"""s3dlio upload"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Jobs, Json
from s3dlio_core.cli.report import report
from s3dlio_core.cli.run_all import Outcome, run_all
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.transfer import Tell, piece_bytes, send_local_file

if TYPE_CHECKING:
    from s3dlio_core._local import LocalFile


def upload_files(session: Session, sources: Sequence[str], folder: str, *, operation: str, jobs: int) -> Outcome:
    """Store the files that `sources` mean below the URI `folder`.

    Raises:
        FileNotFoundError: A source that nothing matches; nothing is sent then.
        ValueError: Two files would become one object; nothing is sent then.
    """
    from s3dlio_core._local import files_of

    store, front = session.into(folder)
    files = list(files_of(sources))
    paths: dict[str, str] = {}
    for file in files:
        if (other := paths.setdefault(file.name, file.path)) != file.path:
            raise ValueError(f"{other} and {file.path} would both become {folder.rstrip('/')}/{file.name}")
    piece = piece_bytes(min(jobs, max(len(files), 1)))

    async def send(file: "LocalFile", tell: Tell) -> int:
        return await send_local_file(file, store, front + file.name, piece=piece, tell=tell)

    return run_all(operation, files, send, uri_of=lambda file: file.path, size_of=lambda file: file.size, jobs=jobs)


@command("upload")
def upload(
    session: Session,
    sources: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, folders, globs in quotes.")],
    folder: Annotated[str, typer.Argument(metavar="URI", help="The folder to upload to.")],
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
    """
    if create:
        session.create_bucket_of(folder)
    outcome = upload_files(session, sources, folder, operation="upload", jobs=jobs)
    return report(outcome, json=json, verbosity=session.verbosity)
