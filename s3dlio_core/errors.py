"""What can go wrong. Catch by what you can do about it.

StorageError                  .operation ("get", "put", ...)  .uri  .attempts  .http_status  .service_code  .request_id
│                             .may_have_taken_effect; also RuntimeError
├── ObjectNotFoundError       also FileNotFoundError
├── BucketNotFoundError       also FileNotFoundError; file stores: the root folder
├── AccessDeniedError         also PermissionError; the credentials are known and not allowed
├── CredentialsError          also PermissionError; none found, unknown, wrong, or expired beyond refresh
├── ObjectExistsError         also FileExistsError; a conditional create met an object, or a bucket exists
├── PreconditionError         the etag or version is not the expected one, or changed while being read
├── RangeNotSatisfiableError  also ValueError and OSError; the range starts past the object's end
├── InvalidArgumentError      also ValueError; the call itself is wrong
├── TransferTimeoutError      also TimeoutError; after the last retry
├── ConnectionFailedError     also ConnectionError; after the last retry
│   └── TlsError              certificate refused or handshake failed; nothing was sent
├── ThrottledError            the service asks to slow down; after the last retry
├── ServerError               5xx; after the last retry
├── ProtocolError             an answer that breaks HTTP or the service's contract
├── ChecksumMismatchError     the bytes differ from the stored checksum; the destination's contents are invalid
├── IntegrityError            what the service stored is not what was sent
├── RedirectError             a redirect that must not be followed
├── LocalIOError              also OSError; the local file system
│   └── NoSpaceError          errno ENOSPC
├── IsADirectoryStorageError  also IsADirectoryError; a file was needed
├── NotADirectoryStorageError also NotADirectoryError; a folder was needed
├── UnsupportedOperationError also NotImplementedError; this store cannot do that
├── TransferCancelledError    the engine's call was taken back
├── ClosedError               also ValueError; the store, writer or stream is closed
├── ConcurrentUseError        also RuntimeError; another thread is inside what is for one thread at a time
├── CheckpointError           a checkpoint is missing, incomplete or not what it says it is
├── RecordError               also ValueError; a record inside an object is cut short, damaged or of another format
├── SomeFailedError           .failures  .succeeded; some of many objects failed, the others are done
│   ├── DeleteError
│   ├── UploadError
│   └── DownloadError
└── EngineError               a defect of ours
"""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "AccessDeniedError",
    "BucketNotFoundError",
    "CheckpointError",
    "ChecksumMismatchError",
    "ClosedError",
    "ConcurrentUseError",
    "ConnectionFailedError",
    "CredentialsError",
    "DeleteError",
    "DownloadError",
    "EngineError",
    "IntegrityError",
    "InvalidArgumentError",
    "IsADirectoryStorageError",
    "LocalIOError",
    "NoSpaceError",
    "NotADirectoryStorageError",
    "ObjectExistsError",
    "ObjectNotFoundError",
    "PreconditionError",
    "ProtocolError",
    "RangeNotSatisfiableError",
    "RecordError",
    "RedirectError",
    "ServerError",
    "SomeFailedError",
    "StorageError",
    "ThrottledError",
    "TlsError",
    "TransferCancelledError",
    "TransferTimeoutError",
    "UnsupportedOperationError",
    "UploadError",
]


_FACTS = "operation, uri, attempts, http_status, service_code, request_id, may_have_taken_effect: "


class StorageError(RuntimeError):
    """Any failure of a store. RuntimeError is what the older package of this name raised.

    Attributes:
        message: What was seen, what was expected, the likely cause.
        operation: The verb, "get", "put", ...; "" outside of one.
        uri: The object or bucket; "" where none is concerned.
        attempts: Requests made for the operation; 0 when none was sent.
        http_status: Of the last answer; 0 when there was none.
        service_code: As the service named it, e.g. "SlowDown"; "" when it did not.
        request_id: For the provider's support; "" when there was no answer.
        may_have_taken_effect: The change that was asked for may have been carried out although the call failed: an
            answer was lost, the service failed while it worked, or a file was in place before the last step failed.
            False where nothing was sent, for calls that change nothing, and where every attempt was refused. While it
            is True nothing that the change refers to may be removed.
    """

    _errno: ClassVar[int | None] = None

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        uri: str = "",
        attempts: int = 0,
        http_status: int = 0,
        service_code: str = "",
        request_id: str = "",
        may_have_taken_effect: bool = False,
    ) -> None:
        super().__init__(message)
        if not operation and _FACTS in message:
            told = _told_facts(message)
            operation, uri, attempts, http_status, service_code, request_id, may_have_taken_effect = told
        self.message = message
        self.operation = operation
        self.uri = uri
        self.attempts = attempts
        self.http_status = http_status
        self.service_code = service_code
        self.request_id = request_id
        self.may_have_taken_effect = may_have_taken_effect
        if isinstance(self, OSError) and self._errno is not None:
            OSError.__setattr__(self, "errno", self._errno)  # declared there, not here

    def __str__(self) -> str:
        front = " ".join(part for part in (self.operation, self.uri) if part)
        text = f"{front}: {self.message}" if front and not self.message.startswith(front) else self.message
        answer = " ".join(str(part) for part in (self.http_status or "", self.service_code) if part)
        facts = []
        if self.attempts > 1 and "attempt" not in self.message:
            facts.append(f"{self.attempts} attempts")
        if answer and answer not in self.message:
            facts.append(f"answer {answer}")
        if self.request_id and self.request_id not in self.message:
            facts.append(f"request id {self.request_id}")
        return f"{text} ({', '.join(facts)})" if facts else text

    def __reduce__(self) -> tuple[Any, ...]:
        # The arguments are keywords, which the inherited way would lose.
        return _rebuild, (type(self), self.message, {k: v for k, v in vars(self).items() if k != "message"})


def _rebuild(cls: type[StorageError], message: str, fields: dict[str, Any]) -> StorageError:
    error = cls(message)
    vars(error).update(fields)
    return error


class ObjectNotFoundError(StorageError, FileNotFoundError):
    """Nothing is stored under the key."""

    _errno = errno.ENOENT


class BucketNotFoundError(StorageError, FileNotFoundError):
    """There is no such bucket; file stores: no such root folder."""

    _errno = errno.ENOENT


class AccessDeniedError(StorageError, PermissionError):
    """The service knows who asks and refuses."""

    _errno = errno.EACCES


class CredentialsError(StorageError, PermissionError):
    """No credentials were found, or the service does not accept them."""

    _errno = errno.EACCES


class ObjectExistsError(StorageError, FileExistsError):
    """A conditional create met an existing object, or the bucket exists already."""

    _errno = errno.EEXIST


class PreconditionError(StorageError):
    """The object's etag or version is not the expected one, or changed while it was read."""


class RangeNotSatisfiableError(StorageError, ValueError, OSError):
    """The range starts past the object's end. Its text says "not satisfiable", by which zarr knows it."""

    _errno = errno.EINVAL

    def __str__(self) -> str:
        text = super().__str__()
        return text if "not satisfiable" in text else f"{text} (range not satisfiable)"


class InvalidArgumentError(StorageError, ValueError):
    """The call itself is wrong: a bad key, a negative range, a destination that cannot take the bytes."""


class TransferTimeoutError(StorageError, TimeoutError):
    """Connecting, the first byte, the least speed or the whole took too long, after the last retry."""

    _errno = errno.ETIMEDOUT


class ConnectionFailedError(StorageError, ConnectionError):
    """No address, no connection, or none that lasts, after the last retry."""


class TlsError(ConnectionFailedError):
    """The certificate was refused or the handshake failed; nothing was sent."""


class ThrottledError(StorageError):
    """The service asks to slow down, after the last retry."""


class ServerError(StorageError):
    """The service failed (5xx), after the last retry."""


class ProtocolError(StorageError):
    """An answer breaks HTTP or the service's contract."""


class ChecksumMismatchError(StorageError):
    """The bytes differ from the stored checksum, also when fetched again; the destination's contents are invalid."""


class IntegrityError(StorageError):
    """What the service stored is not what was sent."""


class RedirectError(StorageError):
    """The service redirects to where one must not go: without TLS, to a foreign host, in a circle."""


class LocalIOError(StorageError, OSError):
    """The local file system failed."""

    _errno = errno.EIO


class NoSpaceError(LocalIOError):
    """The disk (or the memory) is full."""

    _errno = errno.ENOSPC


class IsADirectoryStorageError(StorageError, IsADirectoryError):
    """There is a folder where a file is needed."""

    _errno = errno.EISDIR


class NotADirectoryStorageError(StorageError, NotADirectoryError):
    """There is a file where a folder is needed."""

    _errno = errno.ENOTDIR


class UnsupportedOperationError(StorageError, NotImplementedError):
    """This kind of store cannot do that."""


class TransferCancelledError(StorageError):
    """The engine's call was taken back."""


class ClosedError(StorageError, ValueError):
    """The store, writer or stream was closed before."""


class ConcurrentUseError(StorageError, RuntimeError):
    """Another thread is using this writer or call, which is for one thread at a time. Nothing was done."""


class CheckpointError(StorageError):
    """A checkpoint is missing, incomplete or not what it says it is."""


class RecordError(StorageError, ValueError):
    """A record inside an object is cut short, damaged or of another format."""


class SomeFailedError(StorageError):
    """Some of many objects failed; the others are done.

    Attributes:
        failures: (name, error) of each that failed.
        succeeded: How many did not.
    """

    def __init__(
        self,
        message: str,
        *,
        failures: Sequence[tuple[str, Exception]] = (),
        succeeded: int = 0,
        **fields: Any,
    ) -> None:
        in_doubt = any(getattr(error, "may_have_taken_effect", False) for _, error in failures)
        super().__init__(message, **{"may_have_taken_effect": in_doubt, **fields})
        self.failures = tuple(failures)
        self.succeeded = succeeded


class DeleteError(SomeFailedError):
    """Some keys could not be deleted."""


class UploadError(SomeFailedError):
    """Some files could not be uploaded."""


class DownloadError(SomeFailedError):
    """Some objects could not be downloaded."""


class EngineError(StorageError):
    """A defect of ours."""


def tell_facts(error: StorageError) -> None:
    """Write the fields into the traceback of `error`, for those who make an error anew of its class and that text: a
    DataLoader that hands on what was raised in its worker. Told once, it stays so.
    """
    if any(note.startswith(_FACTS) for note in getattr(error, "__notes__", ())):
        return
    facts = [
        error.operation,
        error.uri,
        error.attempts,
        error.http_status,
        error.service_code,
        error.request_id,
        error.may_have_taken_effect,
    ]
    error.add_note(_FACTS + json.dumps(facts))


def _told_facts(text: str) -> tuple[str, str, int, int, str, str, bool]:
    """What tell_facts() wrote; nothing where it cannot be read."""
    line = text.rpartition(_FACTS)[2].partition("\n")[0]
    try:
        operation, uri, attempts, http_status, service_code, request_id, effect = json.loads(line)
        return (
            str(operation),
            str(uri),
            int(attempts),
            int(http_status),
            str(service_code),
            str(request_id),
            bool(effect),
        )
    except (TypeError, ValueError):
        return "", "", 0, 0, "", "", False


def naming(error: StorageError, operation: str, uri: str) -> StorageError:
    """`error`, told which call it belongs to unless it knows."""
    if not error.operation:
        error.operation, error.uri = operation, error.uri or uri
    return error


def summary_of(failures: Sequence[tuple[str, Exception]], succeeded: int) -> str:
    """The message of a SomeFailedError: how many failed, and the first few."""
    shown = "; ".join(f"{name}: {error}" for name, error in failures[:3])
    more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
    return f"{len(failures)} of {len(failures) + succeeded} failed: {shown}{more}"
