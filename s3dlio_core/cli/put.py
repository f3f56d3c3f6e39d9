"""s3dlio put"""

import enum
import os
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Jobs, Json, Size
from s3dlio_core.cli.report import run_and_report
from s3dlio_core.cli.session import Session
from s3dlio_core.moving.generate import Recipe, generate_jobs
from s3dlio_core.moving.memory import memory_for


class ObjectType(enum.StrEnum):
    """The words of s3dlio_core.formats.object_types."""

    RAW = "RAW"
    ZEROS = "ZEROS"
    NPZ = "NPZ"
    TFRECORD = "TFRECORD"


_DEFAULT_TEMPLATE = "obj-{}-of-{}"


def split_target(uri: str, template: str | None) -> tuple[str, str]:
    """The folder to put into, and the template of names in it: `uri` may end in a template of its own.

    Raises:
        ValueError: Two templates.
    """
    if "{}" not in uri:
        return uri, template or _DEFAULT_TEMPLATE
    if template is not None:
        raise ValueError(f"'{uri}' has {{}} in it, and there is --template as well; expected one of them")
    folder, _, name = uri[: uri.index("{}")].rpartition("/")
    return folder + "/", name + uri[uri.index("{}") :]


def object_name(template: str, index: int, count: int) -> str:
    """`template` with its first {} replaced by the index, from 0, and its second by the count."""
    return template.replace("{}", str(index), 1).replace("{}", str(count), 1)


@command("put")
def put(
    session: Session,
    uri: Annotated[str, typer.Argument(metavar="URI", help="Where to: a folder, or a name with {} in it.")],
    *,
    count: Annotated[int, typer.Option("--num", "-n", min=0, help="Objects to put.")] = 1,
    size: Size = "20MiB",  # type: ignore[assignment]  # the parser makes it an int
    template: Annotated[
        str | None,
        typer.Option(
            "--template", "-t", help="Names: the first {} is the index, the second the count. [default: obj-{}-of-{}]"
        ),
    ] = None,
    dedup: Annotated[float, typer.Option("--dedup", "-d", min=1, help="D: one in D blocks of 4 KiB is unique.")] = 1.0,
    compress: Annotated[
        float, typer.Option("--compress", "-x", min=1, help="C: zstd shrinks it C : 1; 1 is incompressible.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Equal seeds make equal objects. [default: drawn, and told]")
    ] = None,
    object_type: Annotated[
        ObjectType, typer.Option("--object-type", "-o", case_sensitive=False, help="Form of the objects.")
    ] = ObjectType.RAW,
    create: Annotated[bool, typer.Option("--create-bucket", "-c", help="Create the bucket first.")] = False,
    jobs: Jobs = 32,
    json: Json = False,
) -> int:
    """Put generated objects. Each is different, and as compressible and repetitive as asked.

    \b
    Examples:
      s3dlio put s3://train/data/ -n 1000 -s 4MiB
      s3dlio put 's3://train/data/part-{}.bin' -n 100 -s 64MB --seed 7
      s3dlio put file:///mnt/nvme/data/ -n 64 -s 1GiB -d 4 -x 2.5 -j 8
    """
    folder, names = split_target(uri, template)
    if count > 1 and "{}" not in names:
        raise typer.BadParameter(f"'{names}' has no {{}}: all {count} objects would have one name", param_hint="-t")
    if create:
        session.create_bucket_of(folder)
    store, front = session.into(folder)
    seed = int.from_bytes(os.urandom(8)) >> 1 if seed is None else seed
    recipe = Recipe(size, seed, dedup, compress, object_type.value)
    jobs = min(jobs, max(count, 1))
    memory_bytes = memory_for(jobs)
    if object_type is not ObjectType.RAW and size > memory_bytes:  # those are made in memory as a whole
        jobs = max(1, jobs * memory_bytes // size)
    keys = (front + object_name(names, index, count) for index in range(count))
    planned = generate_jobs(recipe, store, keys)
    return run_and_report("put", planned, jobs, json=json, verbosity=session.verbosity, seed=seed)
