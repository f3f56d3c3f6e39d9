"""From a URI, a Tuning and options to an engine store."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.credentials import CredentialChain, fixed_credentials
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.logging import follow_level
from s3dlio_core.options import S3Options, refuse_unknown
from s3dlio_core.process import service
from s3dlio_core.tuning import Tuning
from s3dlio_core.uri import Uri


class Opener:
    """Opens the same store as often as needed: once, and once more in each forked child that uses it.

    The environment is read when this is made, not when it opens.
    """

    def __init__(self, location: Uri, tuning: Tuning, given: dict[str, Any]) -> None:
        self._location = location
        self._tuning = tuning
        self._options: S3Options | None = None
        self._chain: CredentialChain | None = None
        if location.is_file:
            refuse_unknown(given, [], location.scheme)
            return
        self._options = S3Options.of(given).with_environment()
        _check_endpoint(self._options.endpoint_url)
        self._credentials = None if self._options.unsigned_access else fixed_credentials(self._options)
        if self._credentials is None and not self._options.unsigned_access:
            self._chain = CredentialChain(self._options.profile)

    def open(self) -> _ext.NativeStore:
        follow_level()
        service.ensure_running()
        location, tuning = self._location, self._tuning.to_native()
        if self._options is None:
            return _ext.open_file(
                root="/" + location.key.rstrip("/"),
                direct=location.scheme == "direct",
                scheme=location.scheme,
                tuning=tuning,
                base_uri=str(location),
            )
        return _ext.open_s3(
            options=self._options.to_native(location.bucket),
            tuning=tuning,
            credentials=self._credentials,
            provider_id=None if self._chain is None else service.register_provider(self._chain),
            ca_bundle=os.fspath(self._options.ca_bundle or ""),
            ca_bundle_fallback=_certifi_bundle(),
            prefix=location.key,
            base_uri=str(location),
        )


def _check_endpoint(endpoint_url: str | None) -> None:
    if endpoint_url and not endpoint_url.lower().startswith(("http://", "https://")):
        raise InvalidArgumentError(
            f'endpoint_url is "{_ext.redact_url(endpoint_url)}"; expected http://host[:port] or https://host[:port]'
        )


def _certifi_bundle() -> str:
    """certifi's file, found without importing it; "" where it is not installed."""
    try:
        spec = importlib.util.find_spec("certifi")
    except OSError:  # no descriptor left to look into the folders with
        return ""
    if spec is None or not spec.submodule_search_locations:
        return ""
    path = os.path.join(spec.submodule_search_locations[0], "cacert.pem")
    return path if os.path.isfile(path) else ""
