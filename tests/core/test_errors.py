"""The tree, its messages, and that every engine code has its class."""

from __future__ import annotations

import errno
import inspect
import pickle
import traceback
from pathlib import Path

import pytest

from s3dlio_core import _ext, errors, open_store
from s3dlio_core.errors import (
    DeleteError,
    NoSpaceError,
    ObjectNotFoundError,
    StorageError,
    TlsError,
    summary_of,
    tell_facts,
)

CLASSES = [item for item in vars(errors).values() if inspect.isclass(item) and issubclass(item, StorageError)]


def test_every_engine_code_has_its_class() -> None:
    classes = _ext.error_classes()
    assert "Unknown" not in classes
    assert len(set(classes.values())) == len(classes), "two codes share a class: callers could not tell them apart"
    for code, name in classes.items():
        assert issubclass(getattr(errors, name), StorageError), code


def test_all_is_complete() -> None:
    assert sorted(errors.__all__) == sorted(item.__name__ for item in CLASSES)


def test_tree_in_the_docstring_names_each() -> None:
    for item in CLASSES:
        assert item.__name__ in (errors.__doc__ or ""), item


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ObjectNotFoundError", FileNotFoundError),
        ("BucketNotFoundError", FileNotFoundError),
        ("AccessDeniedError", PermissionError),
        ("CredentialsError", PermissionError),
        ("ObjectExistsError", FileExistsError),
        ("RangeNotSatisfiableError", ValueError),
        ("RangeNotSatisfiableError", OSError),
        ("InvalidArgumentError", ValueError),
        ("TransferTimeoutError", TimeoutError),
        ("ConnectionFailedError", ConnectionError),
        ("LocalIOError", OSError),
        ("IsADirectoryStorageError", IsADirectoryError),
        ("NotADirectoryStorageError", NotADirectoryError),
        ("UnsupportedOperationError", NotImplementedError),
        ("ClosedError", ValueError),
    ],
)
def test_is_the_builtin_too(name: str, builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="because"):
        raise getattr(errors, name)("because")


@pytest.mark.parametrize("cls", CLASSES)
def test_each_is_a_runtime_error(cls: type[StorageError]) -> None:
    """As the older package of this name raised."""
    with pytest.raises(RuntimeError, match="because"):
        raise cls("because")


def test_zarr_knows_a_range_past_the_end(tmp_path: Path) -> None:
    """It looks for these words in the text of an OSError."""
    (tmp_path / "a").write_bytes(b"0123")
    with open_store(f"file://{tmp_path}/") as store, pytest.raises(OSError, match="not satisfiable") as caught:
        store.get_range("a", start=9, end=12)
    assert caught.value.errno == errno.EINVAL
    for text in ("past the end", "416 InvalidRange: The requested range is not satisfiable"):
        assert str(errors.RangeNotSatisfiableError(text)).count("not satisfiable") == 1


def test_errno_is_set_where_there_is_one() -> None:
    assert ObjectNotFoundError("gone").errno == errno.ENOENT
    assert NoSpaceError("full").errno == errno.ENOSPC
    assert issubclass(TlsError, ConnectionError)


def test_message_names_operation_object_and_what_was_seen() -> None:
    error = errors.ThrottledError(
        "the service asks to slow down", operation="get", uri="s3://b/k", attempts=3, http_status=503,
        service_code="SlowDown", request_id="R1",
    )  # fmt: skip
    assert str(error) == (
        "get s3://b/k: the service asks to slow down (3 attempts, answer 503 SlowDown, request id R1)"
    )


def test_message_says_nothing_twice() -> None:
    text = "3 attempts in 9.2 s, last 503 SlowDown, request id R1"
    error = errors.ServerError(text, attempts=3, http_status=503, service_code="SlowDown", request_id="R1")
    assert str(error) == text


@pytest.mark.parametrize("cls", CLASSES)
def test_pickles_with_all_it_knows(cls: type[StorageError]) -> None:
    error = cls(
        "message", operation="put", uri="s3://b/k", attempts=2, http_status=500, service_code="X", request_id="r",
        may_have_taken_effect=True,
    )  # fmt: skip
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert vars(copy) == vars(error)
    assert copy.may_have_taken_effect
    assert str(copy) == str(error)


def test_failures_pickle() -> None:
    error = DeleteError("2 of 3 failed", failures=[("a", ObjectNotFoundError("gone"))], succeeded=1)
    copy = pickle.loads(pickle.dumps(error))
    assert copy.succeeded == 1
    assert copy.failures[0][0] == "a"
    assert isinstance(copy.failures[0][1], ObjectNotFoundError)


def test_summary_counts_and_shows_the_first() -> None:
    text = summary_of([(f"k{index}", ValueError("bad")) for index in range(5)], 7)
    assert text.startswith("5 of 12 failed: k0: bad; ")
    assert text.endswith("and 2 more")


def test_an_error_made_anew_of_its_traceback_knows_its_fields() -> None:
    """As a DataLoader makes it of what a worker raised: class and text."""
    first = ObjectNotFoundError(
        "gone", operation="get", uri='s3://b/"k" \n', attempts=2, http_status=404, may_have_taken_effect=True
    )
    tell_facts(first)
    text = "Caught ObjectNotFoundError in a worker.\n" + "".join(traceback.format_exception(first))
    again = ObjectNotFoundError(text)
    assert (again.operation, again.uri, again.attempts, again.http_status) == ("get", 's3://b/"k" \n', 2, 404)
    assert again.may_have_taken_effect
    assert again.service_code == ""
    assert text in str(again)
    damaged = ObjectNotFoundError(text.replace("[", "{"))
    assert (damaged.operation, damaged.uri) == ("", "")
