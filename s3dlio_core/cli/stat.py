"""s3dlio stat"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.failures import print_failures
from s3dlio_core.cli.options import Json
from s3dlio_core.cli.output import print_json, print_line, rfc3339
from s3dlio_core.cli.session import Session
from s3dlio_core.moving.found import explained

if TYPE_CHECKING:
    from s3dlio_core import ObjectMeta

_FIELDS = (
    "size",
    "etag",
    "version_id",
    "content_type",
    "content_encoding",
    "storage_class",
    "server_side_encryption",
    "sse_kms_key_id",
    "checksum_kind",
    "checksum",
    "user_metadata",
)


def describe_object(uri: str, meta: "ObjectMeta") -> dict[str, Any]:
    """What is known about an object; unknown things are None."""
    document: dict[str, Any] = {"uri": uri, "key": meta.key, "last_modified": rfc3339(meta.last_modified)}
    for name in _FIELDS:
        value = getattr(meta, name)
        document[name] = value if value or value == 0 or name == "user_metadata" else None
    return document


@command("stat")
def stat(
    session: Session,
    uris: Annotated[list[str], typer.Argument(metavar="URI...", help="Objects, each by its exact key.")],
    *,
    json: Json = False,
) -> int:
    """Show what is known of objects. That is size, time, ETag, checksum, metadata and more.

    \b
    Examples:
      s3dlio stat s3://train/data/a.tar
      s3dlio stat --json s3://train/data/a.tar | jq .size
    """
    failures: list[tuple[str, Exception]] = []
    for uri in uris:
        try:
            store, key = session.at(uri)
            with explained(store, key):
                document = describe_object(uri, store.head(key))
        except Exception as error:
            failures.append((uri, error))
            continue
        if json:
            print_json(document)
        else:
            for name, value in document.items():
                if value not in (None, {}):
                    print_line(f"{name + ':':<24}{value}")
    return print_failures("stat", failures, len(uris), verbosity=session.verbosity)
