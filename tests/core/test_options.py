"""Options by name, filled from the environment and the profile."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.session import Session
from botocore.utils import ensure_boolean
from servers.access import credentials_of
from servers.fault_server import FaultServer

from s3dlio_core import InvalidArgumentError, S3Options, Tuning, open_store
from s3dlio_core.options import checksum_tuning


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


SERVICES = """
[default]
endpoint_url = http://of-the-profile
services = local
[profile plain]
endpoint_url = http://of-the-profile
[profile ignoring]
endpoint_url = http://of-the-profile
ignore_configured_endpoint_urls = true
[profile nowhere]
services = absent
[services local]
ec2 =
  endpoint_url = http://of-ec2
s3 =
  addressing_style = path
  endpoint_url = http://of-the-services
"""


@pytest.mark.parametrize("profile", ["default", "plain", "ignoring"])
@pytest.mark.parametrize(
    "variables", [{}, {"AWS_ENDPOINT_URL": "http://all"}, {"AWS_ENDPOINT_URL_S3": "http://s3"}], ids=str
)
@pytest.mark.parametrize("ignored", ["", "true", "TRUE", "false"])
def test_endpoints_are_found_where_botocore_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, variables: dict[str, str], ignored: str
) -> None:
    config = tmp_path / "config"
    config.write_text(SERVICES)
    for name, value in {
        **variables,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": ignored,
        "AWS_CONFIG_FILE": str(config),
    }.items():
        if value:
            monkeypatch.setenv(name, value)
    session = Session(profile=profile)
    ignores = ensure_boolean(session.get_config_variable("ignore_configured_endpoint_urls"))
    theirs = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3").provide()
    ours = S3Options(profile=profile).with_environment().endpoint_url
    assert ours == (None if ignores else theirs)


def test_services_that_are_not_there_are_an_error_where_they_are_looked_for(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(SERVICES)
    given = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "nowhere"}
    with pytest.raises(InvalidArgumentError, match='the services "absent"'):
        S3Options().with_environment(given)
    assert S3Options().with_environment({**given, "AWS_ENDPOINT_URL": "http://e"}).endpoint_url == "http://e"


def test_checksums_as_the_environment_or_the_profile_wants_them(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nrequest_checksum_calculation = WHEN_REQUIRED\n[profile p]\nregion = r\n")
    given = {"AWS_CONFIG_FILE": str(config)}
    assert checksum_tuning(None, given) == {"upload_checksum": "none"}
    assert checksum_tuning("p", given) == {}
    given["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_supported"
    given["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"
    assert checksum_tuning(None, given) == {"verify": "never"}
    given["S3DLIO_VERIFY"] = "when_supported"
    assert checksum_tuning(None, given) == {}
    given["AWS_REQUEST_CHECKSUM_CALCULATION"] = "sometimes"
    with pytest.raises(InvalidArgumentError, match='request_checksum_calculation is "sometimes"'):
        checksum_tuning(None, given)


def test_a_store_leaves_out_the_checksums_that_are_not_wanted(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = credentials_of(fault_server)
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    with open_store("s3://data/", **options) as store:
        store.put("a", b"data")
        assert store.get("a") == b"data"
        store.delete(["a", "b"])  # S3 insists on one here
    put, get, delete = (fault_server.seen(operation)[0].headers for operation in ("put", "get", "delete_many"))
    assert not [name for name in (*put, *get) if "checksum" in name]
    assert "content-md5" in delete
    with open_store("s3://data/", tuning=Tuning(), **options) as store:
        assert store.tuning.upload_checksum != "none"  # what is given explicitly counts


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
