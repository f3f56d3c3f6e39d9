"""s3dlio index"""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.failures import print_failures
from s3dlio_core.cli.options import Jobs, Json, Pattern
from s3dlio_core.cli.output import print_json, print_line
from s3dlio_core.cli.progress import Meter
from s3dlio_core.cli.report import to_json
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.sizes import format_size
from s3dlio_core.moving.jobs import Outcome, Progress

if TYPE_CHECKING:
    from s3dlio_core import ObjectMeta, Store
    from s3dlio_core.records import RecordFormat
    from s3dlio_core.records.table import RecordTable


@command("index")
def index(
    session: Session,
    uri: Annotated[str, typer.Argument(metavar="URI", help="Folder of the objects; all below it are indexed.")],
    *,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="tfrecord, webdataset, npy, npz, hdf5 or safetensors; default: as the keys end.",
        ),
    ] = None,
    pattern: Pattern = None,
    path: Annotated[
        str | None,
        typer.Option("--path", metavar="NAME", help="hdf5: dataset in each file; default: its only one."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="URI", help="Where to; default: URI/.s3dlio-index. Also a local path."),
    ] = None,
    tfrecord_idx: Annotated[
        bool, typer.Option("--tfrecord-idx", help="tfrecord: besides, a text index KEY.idx beside each object.")
    ] = False,
    jobs: Jobs = 32,
    json: Json = False,
) -> int:
    """Find the records inside objects, so that datasets read and shuffle them singly.

    Only what the format needs is read. If an object is cut short or damaged it is reported, and no index is written.

    \b
    Examples:
      s3dlio index s3://train/shards/
      s3dlio index --format tfrecord -p '/part-' s3://train/
      s3dlio index --format hdf5 --path images s3://train/h5/
      s3dlio index s3://train/shards/ -o ./shards.s3dlio-index
    """
    from s3dlio_core import InvalidArgumentError
    from s3dlio_core.records import save_index
    from s3dlio_core.records.matcher import bounded_search
    from s3dlio_core.records.scan import index_of, objects_to_index

    if pattern is not None:
        try:
            bounded_search(pattern)  # before all the work: it is stored with the index, and matched by who loads it
        except InvalidArgumentError as error:
            raise typer.BadParameter(error.message, param_hint="--pattern") from None
    store = session.open(uri)
    found = list(objects_to_index(store.list(), pattern))
    if not found:
        raise FileNotFoundError(2, "nothing there" + (f" matches '{pattern}'" if pattern else ""), uri)
    options = {} if path is None else {"path": path}
    chosen = _format(format, found, options)
    if tfrecord_idx and chosen.name != "tfrecord":
        raise typer.BadParameter(f"goes with tfrecord, not with {chosen.name}", param_hint="--tfrecord-idx")
    outcome = Outcome()
    tables = _tables(store, found, chosen, jobs, outcome)
    extra: dict[str, Any] = {"format": chosen.name, "records": sum(map(len, tables.values())), "index": None}
    if not outcome.failures:
        if tfrecord_idx:
            _put_idx(store, tables)
        made = index_of(found, tables, chosen.name, options, pattern)
        extra["index"] = save_index(made, store, at=output)
    return _report(outcome, extra, json=json, verbosity=session.verbosity)


def _format(name: str | None, found: "list[ObjectMeta]", options: dict[str, Any]) -> "RecordFormat":
    from s3dlio_core import InvalidArgumentError
    from s3dlio_core.records import format_named
    from s3dlio_core.records.scan import guess_format

    try:
        return format_named(name or guess_format(meta.key for meta in found), **options)
    except InvalidArgumentError as error:
        raise typer.BadParameter(error.message, param_hint="--format") from None


def _tables(
    store: "Store", found: "list[ObjectMeta]", chosen: "RecordFormat", jobs: int, outcome: Outcome
) -> "dict[str, RecordTable]":
    """The records of each object by its key; what failed is in `outcome`."""
    from s3dlio_core.records.scan import index_many

    tables = {}
    start = time.perf_counter()
    done, size = 0, sum(meta.size for meta in found)
    with Meter("index") as meter:
        for meta, table in index_many(store, found, chosen, max_in_flight=jobs):
            if isinstance(table, Exception):
                outcome.failures.append((store.uri_of(meta.key), table))
            else:
                tables[meta.key] = table
                outcome.succeeded += 1
                outcome.bytes += meta.size
            done += meta.size
            meter.show(Progress(outcome.attempted, len(found), done, size))
    outcome.seconds = time.perf_counter() - start
    return tables


def _put_idx(store: "Store", tables: "dict[str, RecordTable]") -> None:
    from s3dlio_core.records.tfrecord_idx import idx_text

    store.put_many((f"{key}.idx", idx_text(table).encode()) for key, table in tables.items())


def _report(outcome: Outcome, extra: dict[str, Any], *, json: bool, verbosity: int) -> int:
    if json:
        print_json(to_json("index", outcome) | extra)
    elif not outcome.failures:
        size = format_size(outcome.bytes)
        counts = f"{extra['records']} records in {outcome.succeeded} objects ({extra['format']}, {size})"
        print_line(f"{counts} in {outcome.seconds:.2f} s: {extra['index']}")
    return print_failures("index", outcome.failures, outcome.attempted, verbosity=verbosity)
