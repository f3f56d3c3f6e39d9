"""What the pieces of one object must come to."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.checksum import crc32, crc32c, crc64nvme
from s3dlio_core.errors import ChecksumMismatchError, PreconditionError

__all__ = ["Whole"]

_CRCS: dict[str, Callable[[Any, int], int]] = {"crc32": crc32, "crc32c": crc32c, "crc64nvme": crc64nvme}


class Whole:
    """Takes the pieces of an object in order, and tells at the end whether they are all of it, undamaged.

    Args:
        size: Bytes they come to.
        uri: The object, for messages.
        meta: What the store knows of the object; its checksum is compared, unless it is one of parts' checksums.
    """

    def __init__(self, size: int, uri: str, meta: ObjectMeta | None = None) -> None:
        self.size = size
        self._uri = uri
        self._kind = meta.checksum_kind if meta is not None and "-" not in meta.checksum else ""
        self._expected = meta.checksum if meta is not None else ""
        self._crc = _CRCS.get(self._kind)
        self._found = 0
        self._bytes = 0

    def add(self, piece: Any) -> None:
        self._bytes += len(piece)
        if self._crc is not None:
            self._found = self._crc(piece, self._found)

    def check(self) -> None:
        """Raises:
        PreconditionError: More or fewer bytes than expected.
        ChecksumMismatchError: They differ from what the store computed when they were stored.
        """
        if self._bytes != self.size:
            message = f"found {self._bytes} bytes, expected {self.size}; the object was replaced meanwhile"
            raise PreconditionError(message, operation="get", uri=self._uri)
        if self._crc is None:
            return
        expected = base64.b64decode(self._expected)
        found = self._found.to_bytes(len(expected), "big")
        if found != expected:
            message = (
                f"the {self._kind} of the bytes received is {base64.b64encode(found).decode()}, the service stores "
                f"{self._expected}: they were damaged on the way, or where they are stored"
            )
            raise ChecksumMismatchError(message, operation="get", uri=self._uri)
