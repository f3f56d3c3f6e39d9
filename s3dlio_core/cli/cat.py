"""s3dlio cat"""

from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Length, Offset
from s3dlio_core.cli.output import write_bytes
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.streams import STREAM, from_stdin, to_stdout


@command("cat")
def cat(
    session: Session,
    uris: Annotated[
        list[str], typer.Argument(metavar="URI...", help="Objects, each by its exact key; - is standard input.")
    ],
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
        if uri == STREAM:
            for piece in from_stdin():
                write_bytes(piece)
        else:
            to_stdout(*session.at(uri), offset, length)
