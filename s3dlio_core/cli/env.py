"""s3dlio env"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields

from s3dlio_core.cli import dotenv_file
from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Json
from s3dlio_core.cli.output import print_json, print_line
from s3dlio_core.cli.redaction import redact
from s3dlio_core.cli.session import Session

_ACCOUNT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_CA_BUNDLE_PATH",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
    "S3DLIO_EVENT_LOOPS",
)


@dataclass(frozen=True)
class Variable:
    """One setting: the value that acts, and where it comes from ("environment", a file's name, "default", "unset")."""

    name: str
    value: str | None
    source: str


def variables() -> Iterator[Variable]:
    """Every variable that acts: those of the account, then one for each field of Tuning."""
    from s3dlio_core import Tuning

    defaults = Tuning()
    names: dict[str, str | None] = dict.fromkeys(_ACCOUNT)
    names |= {f"S3DLIO_{field.name.upper()}": str(getattr(defaults, field.name)) for field in fields(defaults)}
    for name, default in names.items():
        value = os.environ.get(name)
        if value:
            yield Variable(name, redact(name, value), dotenv_file.filled(name) or "environment")
        else:
            yield Variable(name, default, "unset" if default is None else "default")


@command("env")
def env(session: Session, *, json: Json = False) -> None:
    """Show which settings act. Of each variable its value and where it came from; secrets are hidden.

    The environment goes before the .env file of the working directory or that of --env-file; options of the command
    line go before all of them.

    \b
    Examples:
      s3dlio env
      s3dlio env --json | jq -r 'select(.source == "environment") | .name'
    """
    for variable in variables():
        if json:
            print_json({"name": variable.name, "value": variable.value, "source": variable.source})
        else:
            print_line(f"{variable.name:<42}{variable.source:<13}{'' if variable.value is None else variable.value}")
