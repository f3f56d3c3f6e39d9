"""s3dlio delete, s3dlio rm"""

import itertools
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.failures import Failure, print_failures
from s3dlio_core.cli.options import Json, Pattern, Recursive, Uri
from s3dlio_core.cli.output import print_json, print_line
from s3dlio_core.cli.progress import Meter
from s3dlio_core.cli.run_all import Outcome
from s3dlio_core.cli.select import Target, from_uri, is_object
from s3dlio_core.cli.session import Session

_BATCH = 1000  # keys a request, as many as S3 takes


def _targets(session: Session, uri: str, *, recursive: bool, pattern: str | None) -> Iterator[Target]:
    """`uri` itself, or what lies below it; recursively also an object at `uri`."""
    store, place = session.below(uri)
    if recursive and pattern is None and place.key and not place.key.endswith("/") and is_object(store, place.key):
        yield from from_uri(session, uri, recursive=False, pattern=None, follow_link=False)
    yield from from_uri(session, uri, recursive=recursive, pattern=pattern, follow_link=False)


def _delete(batch: list[Target], outcome: Outcome) -> None:
    from s3dlio_core import StorageError
    from s3dlio_core.errors import DeleteError

    failed: dict[str, Exception] = {}
    try:
        batch[0].store.delete([target.key for target in batch])
    except DeleteError as error:
        failed = dict(error.failures)
    except StorageError as error:
        failed = {target.key: error for target in batch}
    outcome.failures += [Failure(target.uri, failed[target.key]) for target in batch if target.key in failed]
    outcome.succeeded += sum(target.key not in failed for target in batch)


@command("delete", "rm")
def delete(
    session: Session,
    uri: Uri,
    *,
    recursive: Recursive = False,
    pattern: Pattern = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    json: Json = False,
) -> int:
    """Delete objects (also rm). Without -r or -p that is the one whose exact key is given.

    A key that does not exist counts as deleted. Characters such as * in URI mean themselves: only -p takes a pattern.

    \b
    Examples:
      s3dlio rm s3://train/data/a.tar
      s3dlio rm -r s3://train/old/
      s3dlio rm -r -p '\\.tmp$' --dry-run s3://train/
    """
    outcome = Outcome("delete")
    targets = _targets(session, uri, recursive=recursive, pattern=pattern)
    with Meter("delete") as meter:
        # Listed pages are deleted while the next is on its way.
        while batch := list(itertools.islice(targets, _BATCH)):
            if dry_run:
                for target in batch:
                    print_line(target.uri)
            else:
                _delete(batch, outcome)
            meter.advance(0, objects=len(batch))
    if json and not dry_run:
        print_json(outcome.to_json())
    if outcome.failures:
        print_failures("delete", outcome.failures, outcome.attempted, verbosity=session.verbosity)
        return 1
    if not outcome.attempted and not dry_run:
        print(f"s3dlio: delete: nothing there matches {uri}", file=sys.stderr)
    return 0
