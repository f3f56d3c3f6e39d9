"""s3dlio cat"""

from typing import Annotated

import typer

from s3dlio_core._plan import explained
from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Length, Offset
from s3dlio_core.cli.output import write_bytes
from s3dlio_core.cli.session import Session

_CHUNK_BYTES = 32 << 20


@command("cat")
def cat(
    session: Session,
    uris: Annotated[list[str], typer.Argument(metavar="URI...", help="Objects, each by its exact key.")],
    *,
    offset: Offset = 0,
    length: Length = None,
) -> None:
    """Write objects to standard output, one after the other.

    \b
    Examples:
      s3dlio cat s3://train/data/labels.csv | head
      s3dlio cat --offset 1MiB --length 4k s3://train/a.bin | xxd
      s3dlio cat s3://train/a.tar | tar -t
    """
    for uri in uris:
        store, key = session.at(uri)
        with explained(store, key), store.open_reader(key) as reader:
            reader.seek(offset)
            left = length
            while left is None or left > 0:
                chunk = reader.read(_CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES))
                if not chunk:
                    break
                write_bytes(chunk)
                left = None if left is None else left - len(chunk)
