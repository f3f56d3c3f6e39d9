"""Tuning mirrors the engine's, field by field, and reads the environment."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields

import pytest

from s3dlio_core import InvalidArgumentError, Tuning, _ext

NAMES = [field.name for field in fields(Tuning)]


def test_fields_and_defaults_are_the_engines() -> None:
    native = _ext.Tuning()
    assert sorted(NAMES) == sorted(name for name in dir(native) if not name.startswith("_"))
    for name in NAMES:
        assert getattr(Tuning(), name) == pytest.approx(getattr(native, name)), name


def test_docstring_explains_each_field() -> None:
    for name in NAMES:
        assert f"        {name}: " in (Tuning.__doc__ or ""), name


@pytest.mark.parametrize("name", NAMES)
def test_every_field_reaches_the_engine(name: str) -> None:
    words = {"verify": "never", "upload_checksum": "crc32"}
    default = getattr(Tuning(), name)
    value = words[name] if name in words else not default if isinstance(default, bool) else default + 1
    assert getattr(Tuning(**{name: value}).to_native(), name) == pytest.approx(value)


def test_is_a_frozen_value() -> None:
    tuning = Tuning(part_size=5)
    with pytest.raises(FrozenInstanceError):
        tuning.part_size = 6  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(tuning)) == tuning
    assert tuning != Tuning()


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("64k", 65536), ("16MiB", 16 << 20), ("16MB", 16_000_000), ("1.5g", 3 << 29), ("2 GiB", 2 << 30)],
)
def test_sizes_of_the_environment(text: str, size: int) -> None:
    assert Tuning.from_environment({"S3DLIO_PART_SIZE": text}).part_size == size


def test_other_kinds_of_the_environment() -> None:
    given = {"S3DLIO_HEDGE": "0", "S3DLIO_CONNECT_TIMEOUT_SECONDS": "0.5", "S3DLIO_VERIFY": "never", "S3DLIO_X": "y"}
    tuning = Tuning.from_environment(given)
    assert (tuning.hedge, tuning.connect_timeout_seconds, tuning.verify) == (False, 0.5, "never")
    assert Tuning.from_environment({}) == Tuning()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("S3DLIO_PART_SIZE", "many"),
        ("S3DLIO_PART_SIZE", "-1"),
        ("S3DLIO_HEDGE", "perhaps"),
        ("S3DLIO_CONNECT_TIMEOUT_SECONDS", "soon"),
    ],
)
def test_bad_variable_is_named(variable: str, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Tuning.from_environment({variable: text})
    assert variable in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"part_size": 0},
        {"part_size": True},
        {"part_size": 1 << 70},
        {"hedge": 1},
        {"connect_timeout_seconds": float("nan")},
        {"verify": "maybe"},
    ],
    ids=str,
)
def test_values_out_of_bounds(given: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Tuning(**given)  # type: ignore[arg-type]
    assert next(iter(given)) in str(caught.value)


def test_for_ever_is_a_duration() -> None:
    assert Tuning(operation_timeout_seconds=float("inf")).to_native().operation_timeout_seconds > 1e8
