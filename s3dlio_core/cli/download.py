"""s3dlio download"""

from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.local import local_store
from s3dlio_core.cli.options import Jobs, Json, Pattern
from s3dlio_core.cli.report import report
from s3dlio_core.cli.run_all import Outcome, run_all
from s3dlio_core.cli.select import Target, from_uri, is_object
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.transfer import Tell, piece_bytes, send_object


def download_objects(
    session: Session, uri: str, folder: str, *, pattern: str | None, recursive: bool, operation: str, jobs: int
) -> Outcome:
    """Write the object at `uri`, or what lies below it, below the local `folder`.

    Raises:
        FileNotFoundError: Nothing is there.
    """
    store, place = session.below(uri)
    single = bool(place.key) and not place.key.endswith("/") and pattern is None and is_object(store, place.key)
    if not single and not recursive and pattern is None:
        pattern = ""  # one level of a folder, where every name matches
    found = from_uri(session, uri, recursive=recursive and not single, pattern=pattern, with_size=True)
    # A key that ends in a slash marks a folder; there is nothing to write.
    targets = (target for target in found if not target.key.endswith("/"))
    destination = local_store(folder)
    piece = piece_bytes(1 if single else jobs)

    async def fetch(target: Target, tell: Tell) -> int:
        return await send_object(target, destination, target.name, piece=piece, tell=tell)

    outcome = run_all(
        operation,
        targets,
        fetch,
        uri_of=lambda target: target.uri,
        size_of=lambda target: target.size or 0,
        jobs=jobs,
    )
    if not outcome.attempted:
        raise FileNotFoundError(2, "nothing there" + (f" matches '{pattern}'" if pattern else ""), uri)
    return outcome


@command("download")
def download(
    session: Session,
    uri: Annotated[str, typer.Argument(metavar="URI", help="An object, or the folder of objects.")],
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Local folder; made where it is missing.")],
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
    """
    outcome = download_objects(
        session, uri, folder, pattern=pattern, recursive=recursive and not flat, operation="download", jobs=jobs
    )
    return report(outcome, json=json, verbosity=session.verbosity)
