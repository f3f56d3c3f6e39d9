"""The matcher for expressions that came with stored data, against Python's own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3dlio_core import InvalidArgumentError
from s3dlio_core.records.matcher import bounded_search

ATOMS = ["a", "b", r"\.", ".", "[ab]", "[^a]", r"\d", r"\w", r"\s", r"\W", "^", "$", r"\b", "(?i:A)", r"[0-9\-]", "é"]


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "*?", "+?"]))
    return st.one_of(
        repeated.map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
    )


PATTERNS = st.recursive(st.sampled_from(ATOMS), grouped, max_leaves=6)
TEXTS = st.text(st.sampled_from("abAB01 _.-é\n"), max_size=12)


@given(PATTERNS, TEXTS)
def test_finds_what_re_finds(pattern: str, text: str) -> None:
    assert bounded_search(pattern)(text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    "pattern", [r"\.tar$", r"-\d+-of-\d+", "^(train|val)/.*[0-9]{5}\\.tfrecord$", "(?i)PART", "", "a||b"]
)
@pytest.mark.parametrize("text", ["train/x-00001.tfrecord", "val/part-1-of-2", "a.tar", "a.tar\n", "x", "", "b.tar.gz"])
def test_of_keys(pattern: str, text: str) -> None:
    assert bounded_search(pattern)(text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", ".*.*.*.*.*=", "(.*a){10}$", "(?:a?){30}a{30}", "((a*)*)*b"]
)
def test_nothing_takes_for_ever(pattern: str) -> None:
    """Each of these keeps Python's `re` busy for hours; the time-out of a test is two minutes."""
    assert not bounded_search(pattern + "!")("a" * 1000)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("(?=a)b", "holds assert"), (r"\B", "holds at"), (r"(a)\1", "holds groupref"),
     ("(?>a)b", "holds atomic"), ("a*+", "holds possessive"),
     ("(", "no regular expression"), ("a{400}b{400}", "more than 500 steps"), ("(?a)x", "flags"), ("(?m)^x", "flags"),
     ("a" * 1001, "1001 characters"), ("(" * 900, "no regular expression")],
)  # fmt: skip
def test_what_needs_going_back_is_refused(pattern: str, found: str) -> None:
    with pytest.raises(InvalidArgumentError, match=found):
        bounded_search(pattern)
