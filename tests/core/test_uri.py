"""URIs come apart and together again, untouched."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.uri import parse_uri, split_object_uri, uri_of_path, uri_text


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://train/epoch-3/a.tar", ("s3", "train", "epoch-3/a.tar")),
        ("s3://train", ("s3", "train", "")),
        ("s3://train//a/../b?c#d%20", ("s3", "train", "/a/../b?c#d%20")),
        ("s3://", ("s3", "", "")),
        ("file:///data/a b", ("file", "", "data/a b")),
        ("direct:///", ("direct", "", "")),
    ],
)
def test_parts(uri: str, parts: tuple[str, str, str]) -> None:
    parsed = parse_uri(uri)
    assert tuple(parsed) == parts
    assert str(parsed).rstrip("/") == uri.rstrip("/")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("/data/a", "file:///data/a"),
        ("data", "expected s3://"),
        ("gs://b/k", '"gs"'),
        ("file://data/a", "three slashes"),
        ("s3:///key", "no bucket"),
        ("file:///a\0b", "NUL"),
        ("", "no URI"),
    ],
)
def test_bad_ones_say_what_is_wrong(uri: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_uri(uri)
    assert said in str(caught.value)


def test_what_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        parse_uri(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "store", "key"),
    [
        ("s3://b/a/b.bin", "s3://b/", "a/b.bin"),
        ("s3://b", "s3://b/", ""),
        ("file:///a/b.bin", "file:///a/", "b.bin"),
        ("file:///b.bin", "file:///", "b.bin"),
        ("direct:///a/b/", "direct:///a/b/", ""),
    ],
)
def test_store_and_key(uri: str, store: str, key: str) -> None:
    assert split_object_uri(uri) == (store, key)


def test_paths_like_objects_are_no_uris() -> None:
    with pytest.raises(InvalidArgumentError, match="no URI"):
        parse_uri(PurePosixPath("data"))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3://bucket", "s3://bucket/"),
        ("file:///tmp/a", "file:///tmp/a"),
        ("direct:///tmp/a", "direct:///tmp/a"),
    ],
)
def test_a_path_made_of_a_uri_is_the_uri_it_was(uri: str, expected: str) -> None:
    assert str(parse_uri(Path(uri))) == str(parse_uri(str(Path(uri)))) == expected
    assert uri_of_path(Path(uri)) == uri_text(uri) == uri


def test_local_paths_become_uris_where_they_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert uri_of_path("a/b.bin") == f"file://{tmp_path}/a/b.bin"
    assert uri_of_path("folder/") == f"file://{tmp_path}/folder/"
    assert uri_of_path(tmp_path / "x") == f"file://{tmp_path}/x"
    assert uri_of_path("/") == "file:///"
    assert uri_of_path("s4://bucket/key") == "s4://bucket/key"  # refused by parse_uri, not taken for a path
    with pytest.raises(InvalidArgumentError, match="no URI"):
        parse_uri("a/b.bin")
