"""Options by name, filled from the environment and the profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3dlio_core import InvalidArgumentError, S3Options


def test_unknown_name_gets_a_hint_and_the_list() -> None:
    with pytest.raises(TypeError, match=r"endpint_url.*did you mean endpoint_url\?.*region"):
        S3Options.of({"endpint_url": "http://x"})


def test_none_counts_as_not_given() -> None:
    assert S3Options.of({"region": None, "profile": "p"}) == S3Options(profile="p")


def test_environment_fills_what_is_missing() -> None:
    given = {
        "AWS_REGION": "r1",
        "AWS_DEFAULT_REGION": "r2",
        "AWS_ENDPOINT_URL": "http://e1",
        "AWS_ENDPOINT_URL_S3": "http://e2",
        "AWS_CA_BUNDLE": "/ca",
        "AWS_CONFIG_FILE": "/none",
    }
    filled = S3Options().with_environment(given)
    assert (filled.region, filled.endpoint_url, filled.ca_bundle) == ("r1", "http://e2", "/ca")
    kept = S3Options(region="mine", endpoint_url="http://mine", ca_bundle="/mine").with_environment(given)
    assert (kept.region, kept.endpoint_url, kept.ca_bundle) == ("mine", "http://mine", "/mine")


def test_profile_fills_the_rest(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = r0\n[profile lab]\nregion = r1\nendpoint_url = http://lab\n")
    given = {"AWS_CONFIG_FILE": str(config)}
    assert S3Options().with_environment(given).region == "r0"
    lab = S3Options(profile="lab").with_environment(given)
    assert (lab.region, lab.endpoint_url) == ("r1", "http://lab")
    assert S3Options().with_environment({**given, "AWS_PROFILE": "lab"}).region == "r1"


def test_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("no section\n")
    with pytest.raises(InvalidArgumentError, match="config"):
        S3Options().with_environment({"AWS_CONFIG_FILE": str(config)})


@pytest.mark.parametrize(
    "given",
    [
        {"access_key_id": "a"},
        {"secret_access_key": "a"},
        {"session_token": "a"},
        {"unsigned_access": True, "access_key_id": "a", "secret_access_key": "b"},
        {"sse": "sse-c"},
        {"customer_key": b"x" * 32},
        {"sse": "sse-c", "customer_key": b"x"},
        {"kms_key_id": "k"},
        {"region": "a\nb"},
    ],
    ids=str,
)
def test_contradictions(given: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        S3Options.of(given)


@pytest.mark.parametrize("name", ["addressing", "sse", "payload_signing"])
def test_unknown_word_lists_the_valid_ones(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{name}.*wrong-word.*expected one of"):
        S3Options(**{name: "wrong-word"}).to_native("bucket")  # type: ignore[arg-type]


def test_secrets_are_not_shown() -> None:
    options = S3Options(access_key_id="AKID", secret_access_key="hide-this", session_token="and-this", sse="sse-c",
                        customer_key=b"k" * 32)  # fmt: skip
    assert not any(secret in repr(options) for secret in ("AKID", "hide-this", "and-this", "kkkk"))
