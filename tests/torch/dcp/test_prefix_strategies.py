"""Prefix strategies give what AWS's connector's of the same name give."""

from __future__ import annotations

from typing import Any

import pytest
import s3torchconnector.dcp as theirs
from s3torchconnector.dcp.s3_prefix_strategy import RoundRobinPrefixStrategy

import s3dlio_torch.dcp as ours

CASES: list[tuple[str, dict[str, Any]]] = [
    ("DefaultPrefixStrategy", {}),
    ("BinaryPrefixStrategy", {}),
    ("BinaryPrefixStrategy", {"prefix_count": 3000}),
    ("BinaryPrefixStrategy", {"prefix_count": 8, "min_prefix_length": 1, "epoch_num": 0}),
    ("BinaryPrefixStrategy", {"prefix_count": 9, "min_prefix_length": 1}),
    ("HexPrefixStrategy", {"epoch_num": 12, "min_prefix_length": 2, "prefix_count": 300}),
    ("HexPrefixStrategy", {"min_prefix_length": 1, "prefix_count": 16}),
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_they_widen_and_reverse_as_theirs_do(name: str, options: dict[str, Any]) -> None:
    expected, found = getattr(theirs, name)(**options), getattr(ours, name)(**options)
    ranks = [*range(70), 255, 256, 299, 300, 1023, 1024, 2048, 2999, 3000, 5000]
    assert [found(rank) for rank in ranks] == [expected(rank) for rank in ranks]


def test_round_robin_and_strategies_of_the_users_own() -> None:
    options: dict[str, Any] = {"user_prefixes": ["a", "b/c"], "epoch_num": 3}
    found, expected = ours.RoundRobinPrefixStrategy(**options), RoundRobinPrefixStrategy(**options)
    assert [found(rank) for rank in range(5)] == [expected(rank) for rank in range(5)]

    def octal(base: Any) -> Any:
        class Octal(base):  # type: ignore[misc]
            def _format_number(self, number: int, length: int) -> str:
                return format(number, f"0{length}o")

        return Octal(base=8, prefix_count=100)

    assert [octal(ours.NumericPrefixStrategy)(rank) for rank in range(120)] == [
        octal(theirs.NumericPrefixStrategy)(rank) for rank in range(120)
    ]

    class Mine(ours.S3PrefixStrategyBase):
        def generate_prefix(self, rank: int) -> str:
            return f"mine/__{rank}_"

    assert Mine()(3) == "mine/__3_"


@pytest.mark.parametrize(
    "wrong", [{"epoch_num": "3"}, {"min_prefix_length": 0}, {"prefix_count": 0}, {"prefix_count": 1.5}]
)
def test_what_theirs_refuse_ours_refuse(wrong: dict[str, Any]) -> None:
    for package in (theirs, ours):
        with pytest.raises(ValueError, match=r"refix|poch"):
            package.BinaryPrefixStrategy(**wrong)
