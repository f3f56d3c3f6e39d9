"""Generated objects, stored under many keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from s3dlio_core._ext import PutOptions
from s3dlio_core.datagen import Generator
from s3dlio_core.moving.jobs import Job
from s3dlio_core.moving.memory import piece_bytes
from s3dlio_core.moving.target import OnBytes, fits_one_put, write_pieces
from s3dlio_core.moving.whole import Whole
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store

__all__ = ["Recipe", "generate_jobs"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the objects are to be like (s3dlio_core.datagen, formats.object_types); `size` in bytes."""

    size: int
    seed: int
    dedup: float = 1.0
    compress: float = 1.0
    object_type: str = "RAW"


def generate_jobs(recipe: Recipe, target: Store, keys: Iterable[str]) -> Iterator[Job]:
    """One job a key, each an object of its own."""
    for index, key in enumerate(keys):
        yield Job(target.uri_of(key), recipe.size, partial(_generate, recipe, index, target, key))


def _generate(recipe: Recipe, index: int, target: Store, key: str, memory_bytes: int, on_bytes: OnBytes) -> Steps[int]:
    made = Generator(recipe.size, seed=recipe.seed, index=index, dedup=recipe.dedup, compress=recipe.compress)
    if recipe.object_type != "RAW" or fits_one_put(target, recipe.size, memory_bytes):
        from s3dlio_core.formats.object_types import encode  # not imported for --help

        # Forms other than the raw one are made as a whole.
        data = encode(recipe.object_type, next(made.chunks(max(recipe.size, 1)), b""))
        yield target._native().put(key, data, PutOptions())
        return len(data)
    pieces = made.chunks(piece_bytes(memory_bytes))
    return (yield from write_pieces(target, key, pieces, Whole(recipe.size, target.uri_of(key)), on_bytes))
