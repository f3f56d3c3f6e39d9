"""s3dlio sweep"""

import re
import sys
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Json
from s3dlio_core.cli.output import print_json
from s3dlio_core.cli.session import Session

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FORM = re.compile(r"(\d{1,9})\s*([smhdw]?)", re.IGNORECASE)


def parse_age(text: str | int) -> int:
    """Seconds meant by "90", "90s", "15m", "12h", "7d" or "2w"."""
    if isinstance(text, int):  # typer parses defaults too
        return text
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"'{text}' is no age; expected a number with or without a unit: 90s, 15m, 12h, 7d")
    return int(match[1]) * _UNITS[match[2].lower()]


@command("sweep")
def sweep(
    session: Session,
    uri: Annotated[str, typer.Argument(metavar="URI", help="Bucket or folder; all below it is looked through.")],
    *,
    older_than: Annotated[
        int,
        typer.Option(
            "--older-than", parser=parse_age, metavar="AGE", help="Only what began before: 90s, 15m, 12h, 7d."
        ),
    ] = "1d",  # type: ignore[assignment]  # the parser makes it an int
    json: Json = False,
) -> None:
    """Take away what killed processes left. In buckets these are unfinished uploads, in folders temporary files.

    Both are seen by nobody and cost money or space. What a running process writes is spared by its age, so give one
    that nothing takes that long. Objects that ended saves of checkpoints left are taken away by
    s3dlio_torch.dcp.CheckpointManager.sweep(), which knows what the checkpoints hold.

    \b
    Examples:
      s3dlio sweep s3://train/
      s3dlio sweep s3://train/runs/ --older-than 12h
      s3dlio sweep file:///mnt/nvme/data/ --older-than 7d
    """
    store, front = session.into(uri)
    swept = store.sweep_uploads(front, older_than_seconds=older_than)
    if json:
        print_json({"operation": "sweep", "uri": uri, "older_than_seconds": older_than, "swept": swept})
    else:
        what = "unfinished uploads" if store.scheme == "s3" else "temporary files"
        print(f"sweep: took away {swept} {what} below {uri} that were older than {older_than} s", file=sys.stderr)
