"""Where credentials come from: options, then the environment, then botocore's chain, asked again before they expire."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.errors import CredentialsError
from s3dlio_core.options import S3Options, check_header_value

__all__ = ["CredentialChain", "fixed_credentials"]


def fixed_credentials(options: S3Options, environ: Mapping[str, str] | None = None) -> _ext.Credentials | None:
    """Credentials that never change: those given, or the environment's; None where the chain must be asked.

    Spares the import of botocore, which takes longer than many a program.
    """
    if options.access_key_id and options.secret_access_key:
        return _ext.Credentials(options.access_key_id, options.secret_access_key, options.session_token or "")
    variables = os.environ if environ is None else environ
    # A profile named by the caller comes before the environment's keys, as in botocore.
    if options.profile or variables.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    key, secret = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return None
    token = variables.get("AWS_SESSION_TOKEN") or variables.get("AWS_SECURITY_TOKEN") or ""
    for name, value in (("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token)):
        check_header_value(name, value)
    return _ext.Credentials(key, secret, token)


class CredentialChain:
    """botocore's chain: environment, assumed roles, web identity, SSO, files, processes, containers, instance metadata.

    The engine asks for them at the first request, before they expire, and when the service calls them expired.
    """

    def __init__(self, profile: str | None) -> None:
        self.profile = profile

    def resolve(self) -> _ext.Credentials:
        """Look them up anew; may take seconds.

        Raises:
            CredentialsError: None were found; the message names every place that was looked at.
        """
        try:
            import botocore.exceptions
            import botocore.session
        except ImportError as error:
            raise CredentialsError(
                "no credentials are given, and looking for them needs botocore; pip install botocore, or give "
                "access_key_id and secret_access_key"
            ) from error
        try:
            # A fresh session each time: files and the environment are read again, which botocore would not do.
            found = botocore.session.Session(profile=self.profile).get_credentials()
            if found is None:
                raise CredentialsError(self._nothing_found())
            frozen = found.get_frozen_credentials()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            failure = _ext.redact(str(error))  # it may quote what a credential_process printed
            raise CredentialsError(f"looking for credentials failed: {failure}; {self._places()}") from error
        if not frozen.access_key or not frozen.secret_key:
            raise CredentialsError(self._nothing_found())
        return _ext.Credentials(frozen.access_key, frozen.secret_key, frozen.token or "", _expiry_of(found))

    def _nothing_found(self) -> str:
        return (
            f"no credentials were found; {self._places()}. Give access_key_id and secret_access_key, set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or, for a public bucket, unsigned_access=True"
        )

    def _places(self) -> str:
        """What was looked at, and in which state it is."""

        def state_of_file(variable: str, default: str) -> str:
            path = os.path.expanduser(os.environ.get(variable) or default)
            return f"{path} ({'there' if os.path.isfile(path) else 'absent'})"

        def state_of(*names: str) -> str:
            return ", ".join(f"{name} ({'set' if os.environ.get(name) else 'not set'})" for name in names)

        profile = self.profile or os.environ.get("AWS_PROFILE") or "default"
        metadata = "off" if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true" else "no answer"
        return (
            f'looked at {state_of("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}, the profile "{profile}" in '
            f"{state_of_file('AWS_SHARED_CREDENTIALS_FILE', '~/.aws/credentials')} and "
            f"{state_of_file('AWS_CONFIG_FILE', '~/.aws/config')}, {state_of('AWS_WEB_IDENTITY_TOKEN_FILE')}, "
            f"{state_of('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI')}, "
            f"EC2 instance metadata ({metadata})"
        )


def _expiry_of(found: Any) -> float | None:
    """Seconds since the epoch; botocore keeps the time of refreshable credentials to itself."""
    expiry = getattr(found, "_expiry_time", None)
    return expiry.timestamp() if isinstance(expiry, datetime) else None
