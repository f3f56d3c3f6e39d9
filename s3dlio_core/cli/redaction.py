"""What may be shown of a variable's value."""

from s3dlio_core import _ext

__all__ = ["redact"]

_SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_HALF_SECRET = ("AWS_ACCESS_KEY_ID",)


def redact(name: str, value: str) -> str:
    """`value` as it may be shown: secrets hidden, of a key id the end, of a URL no user and password."""
    if name in _SECRET:
        return "(hidden)"
    if name in _HALF_SECRET:
        return f"...{value[-4:]}" if len(value) > 8 else "(hidden)"
    return _ext.redact_url(value) if "_URL" in name or "_URI" in name else value
