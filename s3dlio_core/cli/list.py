"""s3dlio list, s3dlio ls"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.location import Location
from s3dlio_core.cli.options import Json, Pattern, Recursive, Uri, compiled
from s3dlio_core.cli.output import print_json, print_line, rfc3339
from s3dlio_core.cli.report import nothing_found
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.sizes import format_size

if TYPE_CHECKING:
    from s3dlio_core import ObjectMeta, Store

# The dot is missing: it stands in nearly every name, and a name without the others means itself.
_REGEX_CHARACTERS = frozenset("*+?[](){}^$|\\")


@dataclass(frozen=True)
class Entry:
    """A line of a listing: an object, or the front that deeper keys share (`meta` is None)."""

    uri: str
    name: str  # below what was asked for
    meta: "ObjectMeta | None"


@dataclass(frozen=True)
class Selection:
    """What part of a store to list: keys that start with `prefix` and, below it, match."""

    prefix: str
    matchers: tuple[re.Pattern[str], ...]

    def wants(self, name: str) -> bool:
        """Whether every pattern is found in `name`."""
        return all(matcher.search(name) for matcher in self.matchers)


def select(place: Location, *, pattern: str | None, literal: bool) -> Selection:
    """Read a place: a last segment that holds regular-expression characters is one, anything else a literal prefix."""
    matchers = [] if pattern is None else [compiled(pattern)]
    prefix = place.key
    if not literal and _REGEX_CHARACTERS & set(place.name):
        prefix = place.folder
        matchers.append(compiled(place.name))
    return Selection(prefix, tuple(matcher for matcher in matchers if matcher is not None))


def entries(store: "Store", place: Location, selection: Selection, *, recursive: bool) -> Iterator[Entry]:
    """The listing, in key order; a page at a time with `recursive`, folded at the next slash without."""
    # A matcher sees names below the folder; a prefix is not always a whole folder.
    cut = selection.prefix.rfind("/") + 1

    def entry(key: str, meta: "ObjectMeta | None") -> Entry:
        return Entry(place.uri_of(key), key[cut:], meta)

    if recursive:
        found = (entry(meta.key, meta) for meta in store.list(selection.prefix))
    else:
        page = store.list_with_delimiter(selection.prefix)
        both = [entry(meta.key, meta) for meta in page.objects]
        both += [entry(prefix, None) for prefix in page.common_prefixes]
        found = (item for item in sorted(both, key=lambda item: item.uri.encode("utf-8", "surrogateescape")))
    return (item for item in found if selection.wants(item.name))


@command("list", "ls")
def list_objects(
    session: Session,
    uri: Uri,
    *,
    recursive: Recursive = False,
    pattern: Pattern = None,
    long: Annotated[bool, typer.Option("--long", "-l", help="With size and time.")] = False,
    count: Annotated[bool, typer.Option("--count", "-c", help="Only how many objects, and their bytes.")] = False,
    literal: Annotated[bool, typer.Option("--literal", help="Take URI as it stands, never as an expression.")] = False,
    json: Json = False,
) -> int:
    """List objects (also ls). Those whose keys start with URI, one a line, in key order; without -r folded at slashes.

    If the last segment of URI holds one of * + ? [ ] ( ) { } ^ $ | \\ it is a regular expression, searched for in names
    below the segment before; put it in quotes. --literal turns that off. If nothing matches, the exit status is 1.

    \b
    Examples:
      s3dlio ls s3://train/data/
      s3dlio ls -r -l s3://train/
      s3dlio list 's3://train/data/.*\\.csv'
      s3dlio ls -r -p '\\.(jpg|png)$' s3://train/data/
      s3dlio ls -r --json s3://train/ | jq -s 'map(.size) | add'
    """
    store, place = session.below(uri)
    selection = select(place, pattern=pattern, literal=literal)
    found = objects = size = 0
    for item in entries(store, place, selection, recursive=recursive):
        found += 1
        if item.meta is not None:
            objects += 1
            size += item.meta.size
        if not count:
            _print(item, long=long, json=json)
    if count and json:
        print_json({"uri": uri, "objects": objects, "bytes": size})
    elif count:
        print_line(f"{objects} objects, {size} bytes ({format_size(size)})")
    elif sys.stdout.isatty() and not json:
        print(f"{objects} objects, {format_size(size)}", file=sys.stderr)
    # A bucket or a folder that is there may well be empty.
    whole = not selection.prefix and not selection.matchers
    return 0 if found or whole else nothing_found("list", uri if pattern is None else f"{uri}, {pattern}")


def _print(item: Entry, *, long: bool, json: bool) -> None:
    meta = item.meta
    if json and meta is None:
        print_json({"type": "prefix", "uri": item.uri})
    elif json and meta is not None:
        document = {"type": "object", "uri": item.uri, "key": meta.key, "size": meta.size, "etag": meta.etag or None}
        document |= {"last_modified": rfc3339(meta.last_modified), "storage_class": meta.storage_class or None}
        print_json(document)
    elif long:
        size = "-" if meta is None else str(meta.size)
        time = (rfc3339(meta.last_modified) if meta is not None else None) or "-"
        print_line(f"{size:>16}  {time:<24}  {item.uri}")
    else:
        print_line(item.uri)
