"""s3dlio delete, s3dlio rm"""

import contextlib
import itertools
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from s3dlio_core import AccessDeniedError, DeleteError, IsADirectoryStorageError, StorageError, Store
from s3dlio_core.cli.app import command
from s3dlio_core.cli.failures import print_failures
from s3dlio_core.cli.options import Json, Pattern, Recursive, Uri, matching
from s3dlio_core.cli.output import print_json, print_line
from s3dlio_core.cli.progress import Meter
from s3dlio_core.cli.report import nothing_found, to_json
from s3dlio_core.cli.session import Session
from s3dlio_core.moving.found import as_folder, below, is_folder
from s3dlio_core.moving.jobs import Outcome, Progress
from s3dlio_core.uri import FILE_SCHEMES

_BATCH = 1000  # keys a request, as many as S3 takes
_MAGIC = re.compile(r"[*?\[\]]")


def _keys(store: Store, key: str, *, recursive: bool, pattern: str | None) -> Iterator[str]:
    """`key` itself, if it is there, or what lies below it; recursively also an object at `key`."""
    if pattern is None and (not recursive or not is_folder(key)):
        with contextlib.suppress(IsADirectoryStorageError):
            if _is_there(store, key):
                yield key
    if recursive or pattern is not None:
        for source in below(store, as_folder(key), recursive=recursive, wanted=matching(pattern)):
            yield source.key


def _is_there(store: Store, key: str) -> bool:
    if store.scheme in FILE_SCHEMES:  # the store follows no link, and a link can be deleted
        path = f"/{store.prefix}{key}"
        return os.path.islink(path) or store.exists(key)
    try:
        return store.exists(key)
    except AccessDeniedError:
        return True  # who may delete need not be allowed to look


def _inside(store: Store, key: str) -> list[str]:
    """Keys below `key` taken for a folder, a thousand at most; not the object that only marks the folder."""
    front = as_folder(key)
    inside = (source.key for source in below(store, front) if source.key != front)
    return list(itertools.islice(inside, _BATCH))


def _refuse(store: Store, key: str, uri: str) -> int:
    """Say why nothing was deleted without -r and -p. Gives the exit status."""
    inside = _inside(store, key)
    if not inside:
        hint = "; characters such as * mean themselves, -p takes a regular expression" if _MAGIC.search(key) else ""
        return nothing_found("delete", uri, hint)
    count = f"{_BATCH} or more" if len(inside) == _BATCH else str(len(inside))
    what = f"no object but a folder: {count} lie below it, such as {store.uri_of(inside[0])}"
    print(f"s3dlio: delete {uri}: {what}; nothing was deleted: -r deletes what lies below", file=sys.stderr)
    return 1


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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Also all objects of a bucket.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    json: Json = False,
) -> int:
    """Delete objects (also rm) and tell how many. Without -r or -p that is the one whose exact key is given.

    If nothing matches, the exit status is 1. Characters such as * in URI mean themselves: only -p takes a pattern. All
    objects of a bucket are deleted with --yes only.

    \b
    Examples:
      s3dlio rm s3://train/data/a.tar
      s3dlio rm -r s3://train/old/
      s3dlio rm -r -p '\\.tmp$' --dry-run s3://train/
      s3dlio rm -r --yes s3://train
    """
    several = recursive or pattern is not None
    store, key = session.at_or_below(uri, follow_link=False) if several else session.at(uri, follow_link=False)
    wanted = matching(pattern)
    whole = not key and recursive and store.scheme not in FILE_SCHEMES
    # A pattern that is found in nothing at all is found in everything.
    if whole and not yes and not dry_run and (wanted is None or wanted("")):
        reason = f"{uri} is a whole bucket; --yes deletes all of its objects, --dry-run lists them"
        raise typer.BadParameter(reason, param_hint="URI")
    # Some services take away a folder with all that is in it when its marker is deleted.
    if not several and key.endswith("/") and _inside(store, key):
        return _refuse(store, key, uri)
    keys = _keys(store, key, recursive=recursive, pattern=pattern)
    outcome = Outcome()
    done = 0
    start = time.perf_counter()
    try:
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
    except StorageError as error:
        if not outcome.succeeded:
            raise
        outcome.failures.append(("the listing", error))  # what is gone is told all the same
    outcome.seconds = time.perf_counter() - start
    if json and not dry_run:
        print_json(to_json("delete", outcome))
    elif done and not dry_run:
        counts = f"attempted={outcome.attempted}, succeeded={outcome.succeeded}, failed={len(outcome.failures)}"
        print(f"delete: {counts} in {outcome.seconds:.2f} s", file=sys.stderr)
    if not done and not several:
        return _refuse(store, key, uri)
    if not done and not (whole and wanted is None):  # an empty bucket is as empty as was asked for
        return nothing_found("delete", uri if pattern is None else f"{uri}, {pattern}")
    return print_failures("delete", outcome.failures, outcome.attempted, verbosity=session.verbosity)
