"""s3dlio delete, s3dlio rm"""

import contextlib
import itertools
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from s3dlio_core import DeleteError, IsADirectoryStorageError, StorageError, Store
from s3dlio_core._batch import Outcome, Progress
from s3dlio_core._plan import as_folder, below, is_folder
from s3dlio_core.cli.app import command
from s3dlio_core.cli.failures import print_failures
from s3dlio_core.cli.options import Json, Pattern, Recursive, Uri, matching
from s3dlio_core.cli.output import print_json, print_line
from s3dlio_core.cli.progress import Meter
from s3dlio_core.cli.report import to_json
from s3dlio_core.cli.session import Session

_BATCH = 1000  # keys a request, as many as S3 takes


def _keys(store: Store, key: str, *, recursive: bool, pattern: str | None) -> Iterator[str]:
    """`key` itself, or what lies below it; recursively also an object at `key`."""
    if not recursive and pattern is None:
        yield key
        return
    if pattern is None and not is_folder(key):
        with contextlib.suppress(IsADirectoryStorageError):
            if store.exists(key):
                yield key
    for source in below(store, as_folder(key), recursive=recursive, wanted=matching(pattern)):
        yield source.key


def _delete(store: Store, batch: list[str], outcome: Outcome) -> None:
    failed: dict[str, Exception] = {}
    try:
        store.delete(batch)
    except DeleteError as error:
        failed = dict(error.failures)
    except StorageError as error:
        failed = dict.fromkeys(batch, error)
    outcome.failures += [(store.uri_of(key), error) for key, error in failed.items()]
    outcome.succeeded += len(batch) - len(failed)


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
    several = recursive or pattern is not None
    store, key = session.at_or_below(uri, follow_link=False) if several else session.at(uri, follow_link=False)
    keys = _keys(store, key, recursive=recursive, pattern=pattern)
    outcome = Outcome()
    done = 0
    with Meter("delete") as meter:
        # Listed pages are deleted while the next is on its way.
        while batch := list(itertools.islice(keys, _BATCH)):
            if dry_run:
                for each in batch:
                    print_line(store.uri_of(each))
            else:
                _delete(store, batch, outcome)
            done += len(batch)
            meter.show(Progress(done, None, 0, None))
    if json and not dry_run:
        print_json(to_json("delete", outcome))
    if not done:
        print(f"s3dlio: delete: nothing there matches {uri}", file=sys.stderr)
    return print_failures("delete", outcome.failures, outcome.attempted, verbosity=session.verbosity)
