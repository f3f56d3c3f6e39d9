"""How a store reaches its service: endpoint, region, credentials, encryption."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from s3dlio_core import _ext
from s3dlio_core.errors import InvalidArgumentError

__all__ = ["S3Options"]


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """Options of open_store("s3://..."); None or "" leaves one to the environment.

    Args:
        region: "eu-central-1"; default AWS_REGION, AWS_DEFAULT_REGION, the profile's, then "us-east-1". A redirect
            corrects it.
        endpoint_url: "http(s)://host[:port]" of a service that is not AWS; default AWS_ENDPOINT_URL_S3,
            AWS_ENDPOINT_URL, the s3 part of the profile's `services`, the profile's; none of these where
            AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or the profile's ignore_configured_endpoint_urls is "true".
        profile: Section of ~/.aws/config and ~/.aws/credentials; default AWS_PROFILE, then "default".
        access_key_id: With secret_access_key: these credentials and no others.
        secret_access_key: See access_key_id.
        session_token: For temporary credentials.
        addressing: "virtual" (bucket.host), "path" (host/bucket); "auto": virtual on AWS, path elsewhere.
        unsigned_access: Send no credentials: public buckets.
        requester_pays: Accept the costs of a requester-pays bucket.
        sse: What encrypts new objects: "AES256", "aws:kms" or "sse-c"; "": the bucket's default.
        kms_key_id: For sse="aws:kms"; "": the account's default key.
        customer_key: For sse="sse-c": 32 bytes.
        ca_bundle: PEM file or folder of certificate authorities to trust instead of the system's; default
            AWS_CA_BUNDLE_PATH, AWS_CA_BUNDLE, SSL_CERT_FILE.
        payload_signing: "always", "never"; "auto": signed over plain HTTP only.
        expected_bucket_owner: Account id; requests fail if another account owns the bucket.
        dualstack: IPv6 endpoints of AWS.
        fips: FIPS endpoints of AWS.
    Raises:
        InvalidArgumentError: Options that contradict each other.
    """

    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    addressing: str = "auto"
    unsigned_access: bool = False
    requester_pays: bool = False
    sse: str = ""
    kms_key_id: str = ""
    customer_key: bytes | None = field(default=None, repr=False)
    ca_bundle: str | os.PathLike[str] | None = None
    payload_signing: str = "auto"
    expected_bucket_owner: str = ""
    dualstack: bool = False
    fips: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            check_header_value(item.name, getattr(self, item.name))
        if bool(self.access_key_id) != bool(self.secret_access_key):
            given, missing = ("access_key_id", "secret_access_key")
            if not self.access_key_id:
                given, missing = missing, given
            raise InvalidArgumentError(f"{given} is given without {missing}; give both or neither")
        if self.session_token and not self.access_key_id:
            raise InvalidArgumentError("session_token is given without access_key_id and secret_access_key")
        if self.unsigned_access and self.access_key_id:
            raise InvalidArgumentError(
                "unsigned_access sends no credentials, but access_key_id is given; drop one of them"
            )
        if (self.sse == "sse-c") != (self.customer_key is not None):
            raise InvalidArgumentError('sse="sse-c" and customer_key belong together; one of them is missing')
        if self.customer_key is not None and len(self.customer_key) != 32:
            raise InvalidArgumentError(f"customer_key has {len(self.customer_key)} bytes; expected 32")
        if self.kms_key_id and self.sse != "aws:kms":
            raise InvalidArgumentError(f'kms_key_id needs sse="aws:kms"; found sse="{self.sse}"')

    def __repr__(self) -> str:
        shown = {item.name: getattr(self, item.name) for item in fields(self) if item.repr}
        if isinstance(self.endpoint_url, str):
            shown["endpoint_url"] = _ext.redact_url(self.endpoint_url)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The options by name; None counts as not given.

        Raises:
            TypeError: Unknown names; the message lists the valid ones.
        """
        refuse_unknown(given, [item.name for item in fields(cls)], "s3")
        return cls(**{name: value for name, value in given.items() if value is not None})

    def with_environment(self, environ: Mapping[str, str] | None = None) -> Self:
        """What is not given filled from the environment and the profile's section of ~/.aws/config."""
        variables = os.environ if environ is None else environ
        section = _profile_section(variables, self.profile or variables.get("AWS_PROFILE") or "default")
        first = _first_of(variables)
        ignored = first("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or section.get("ignore_configured_endpoint_urls", "")
        configured = (
            None
            if ignored.lower() == "true"
            else first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
            or _services_endpoint(section)
            or section.get("endpoint_url")
        )
        return replace(
            self,
            region=self.region or first("AWS_REGION", "AWS_DEFAULT_REGION") or section.get("region"),
            endpoint_url=self.endpoint_url or configured,
            ca_bundle=self.ca_bundle or first("AWS_CA_BUNDLE_PATH", "AWS_CA_BUNDLE") or section.get("ca_bundle"),
        )

    def to_native(self, bucket: str) -> _ext.S3Options:
        """The engine's own value, for `bucket`."""
        native = _ext.S3Options()
        native.bucket = bucket
        native.region = self.region or ""
        native.endpoint_url = self.endpoint_url or ""
        if self.customer_key is not None:
            native.set_customer_key(bytes(self.customer_key))
        for name in ("addressing", "unsigned_access", "requester_pays", "sse", "kms_key_id", "payload_signing",
                     "expected_bucket_owner", "dualstack", "fips"):  # fmt: skip
            try:
                setattr(native, name, getattr(self, name))
            except TypeError as error:
                raise InvalidArgumentError(f"{name} is {getattr(self, name)!r}: wrong type") from error
        return native


_CHECKSUM_SETTINGS = (
    ("request_checksum_calculation", "upload_checksum", "none"),
    ("response_checksum_validation", "verify", "never"),
)


def checksum_tuning(profile: str | None, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION, or the profile's settings of these
    names, make of Tuning: with "when_required" no checksum that S3 does not insist on. S3DLIO_* variables go before.

    Raises:
        InvalidArgumentError: Neither "when_supported" nor "when_required".
    """
    variables = os.environ if environ is None else environ
    section = _profile_section(variables, profile or variables.get("AWS_PROFILE") or "default")
    wanted = {}
    for name, field_name, off in _CHECKSUM_SETTINGS:
        value = variables.get(f"AWS_{name.upper()}") or section.get(name) or "when_supported"
        if value.lower() not in ("when_supported", "when_required"):
            message = (
                f'{name} is "{value[:40]}" in the environment or the profile; expected when_supported or when_required'
            )
            raise InvalidArgumentError(message)
        if value.lower() == "when_required" and not variables.get(f"S3DLIO_{field_name.upper()}"):
            wanted[field_name] = off
    return wanted


def check_header_value(name: str, value: object) -> None:
    """Refuse what would break out of a header; the message does not show the value, which may be a secret."""
    if isinstance(value, str) and any(character < " " or character == "\x7f" for character in value):
        hint = "; a line break at its end?" if value.strip() != value else ""
        raise InvalidArgumentError(f"{name} contains a control character{hint}")


def refuse_unknown(given: Mapping[str, Any], valid: list[str], scheme: str) -> None:
    """TypeError for names a store of `scheme` has no option of."""
    unknown = sorted(set(given) - set(valid))
    if not unknown:
        return
    import difflib

    close = difflib.get_close_matches(unknown[0], valid, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    known = f"valid ones are {', '.join(valid)}" if valid else "there are none"
    raise TypeError(f"unknown option of a store at {scheme}://: {', '.join(unknown)}{hint}; {known}")


def _first_of(variables: Mapping[str, str]) -> Any:
    return lambda *names: next((variables[name] for name in names if variables.get(name)), None)


def _profile_section(variables: Mapping[str, str], profile: str) -> dict[str, str]:
    """The profile's settings in the config file, and as "services.s3.endpoint_url" what its services say of S3; {}
    where there is none. botocore is too slow to import for this.
    """
    path = os.path.expanduser(variables.get("AWS_CONFIG_FILE") or "~/.aws/config")
    if not os.path.isfile(path):
        return {}
    import configparser

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        # Neither the error's text nor its cause: they quote the lines, and people keep keys in this file.
        lines = [getattr(error, "lineno", None), *(line for line, _ in getattr(error, "errors", ()))]
        where = ", ".join(str(line) for line in lines if line is not None)
        place = f" in line {where}" if where else ""
        message = f"the AWS configuration file {path} cannot be read: {type(error).__name__}{place}"
        raise InvalidArgumentError(message) from None
    for section in (f"profile {profile}", profile):
        if parser.has_section(section):
            settings = dict(parser.items(section))
            services = f"services {settings.get('services', '')}"
            if not parser.has_section(services):
                settings["services.missing"] = settings.get("services", "")
            elif parser.has_option(services, "s3"):
                settings |= {f"services.s3.{name}": value for name, value in _nested(parser.get(services, "s3"))}
            return settings
    return {}


def _services_endpoint(section: dict[str, str]) -> str | None:
    if missing := section.get("services.missing"):
        raise InvalidArgumentError(f'the profile names the services "{missing}", of which there is no section')
    return section.get("services.s3.endpoint_url")


def _nested(lines: str) -> Iterator[tuple[str, str]]:
    """The settings written below another, one indented line each."""
    for line in lines.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            yield name.strip(), value.strip()
