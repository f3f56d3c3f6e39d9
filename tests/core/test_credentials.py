"""Which credentials are taken, and what is said when there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from s3dlio_core import CredentialsError, InvalidArgumentError, S3Options
from s3dlio_core.credentials import CredentialChain, fixed_credentials

KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}


def test_given_ones_come_first() -> None:
    assert fixed_credentials(S3Options(access_key_id="a", secret_access_key="b"), {}) is not None


def test_environment_comes_before_the_chain() -> None:
    assert fixed_credentials(S3Options(), KEYS) is not None
    assert fixed_credentials(S3Options(), {"AWS_ACCESS_KEY_ID": "AK"}) is None


def test_named_profile_comes_before_the_environment() -> None:
    assert fixed_credentials(S3Options(profile="p"), KEYS) is None


def test_expiring_ones_are_left_to_the_chain() -> None:
    assert fixed_credentials(S3Options(), {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z"}) is None


def test_line_break_in_a_variable_is_named_and_not_shown() -> None:
    with pytest.raises(InvalidArgumentError, match="AWS_SECRET_ACCESS_KEY contains a control character") as caught:
        fixed_credentials(S3Options(), {**KEYS, "AWS_SECRET_ACCESS_KEY": "hide-this\n"})
    assert "hide-this" not in str(caught.value)


def test_native_ones_do_not_show() -> None:
    credentials = fixed_credentials(S3Options(access_key_id="AK", secret_access_key="hide-this"), {})
    assert repr(credentials) == "Credentials(***)"
    assert not hasattr(credentials, "secret_access_key")


def test_none_found_says_where_it_looked() -> None:
    with pytest.raises(CredentialsError) as caught:
        CredentialChain(None).resolve()
    said = str(caught.value)
    for place in ("AWS_ACCESS_KEY_ID (not set)", '"default"', "AWS_WEB_IDENTITY_TOKEN_FILE", "metadata (off)",
                  "unsigned_access"):  # fmt: skip
        assert place in said


def test_unknown_profile_is_named() -> None:
    with pytest.raises(CredentialsError, match="nobody"):
        CredentialChain("nobody").resolve()


def test_files_are_read_again_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    with pytest.raises(CredentialsError):
        CredentialChain(None).resolve()
    file.write_text("[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n")
    assert CredentialChain(None).resolve() is not None


def test_keys_of_the_environment_need_no_botocore() -> None:
    code = (
        "import os, sys; os.environ.update(AWS_ACCESS_KEY_ID='a', AWS_SECRET_ACCESS_KEY='b')\n"
        "import s3dlio_core; s3dlio_core.open_store('s3://bucket/')\n"
        "assert 'botocore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
