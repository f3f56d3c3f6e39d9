"""
The engine, as s3dlio_core uses it. Not for direct use: names here change without notice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

import s3dlio_core.errors


def shutdown(timeout_seconds: float) -> bool:
    """
    Cancels everything under way and waits for it; called once, by atexit. True: all of it ended in time.
    """

def fork_generation() -> int:
    """
    How many forks lie between the process that loaded the engine and this one.
    """

def error_classes() -> dict[str, str]:
    """The Python class of each engine error code."""

def next_events(timeout_seconds: float) -> list[tuple[str, int, Any]] | None:
    """
    Waits for what the engine wants of Python; None when the interpreter is ending.
    """

def answer_lookup(request: int, credentials: Credentials | None, message: str) -> None:
    """
    Hands credentials (or, with None, the reason why there are none) to the engine thread that waits for them.
    """

def set_log_level(minimum: int) -> None:
    """The least level (as in logging) the engine hands on."""

def log(level: int, message: str) -> None:
    """Logs as the engine does: redacted, through the queue. For tests."""

def redact(text: str) -> str:
    """The text without the values of credentials."""

def redact_url(url: str) -> str:
    """
    What may be shown of a service's URL, well formed or not: scheme, host, port and path.
    """

T = TypeVar("T")

class Pending(Generic[T]):
    """An engine call under way. Its memory is safe to reuse once `done()`."""

    def wait(self) -> T:
        """Blocks, interruptibly, and gives the result or raises its error. Once."""

    def result(self) -> T:
        """The result of a call that is `done()`. Once."""

    def done(self) -> bool: ...

    def cancel(self) -> None:
        """Asks the engine to stop; the call is over only when `done()`."""

class CompletionPort:
    """Hears of many calls' ends at once: N completions are one wake-up."""

    def __init__(self, with_fd: bool) -> None:
        """with_fd: have a file descriptor an event loop can watch."""

    def fileno(self) -> int:
        """Readable while tokens wait to be taken; -1 without `with_fd`."""

    def add(self, pending: Pending[Any], token: int) -> None:
        """`token` will be taken from here once `pending` is done."""

    def take(self) -> list[int]:
        """The tokens whose calls ended since the last time; does not block."""

    def wait(self) -> list[int]:
        """As take(), blocking, interruptibly, until there is one."""

class Promise(Generic[T]):
    """
    A call that Python code carries out: its Pending is as one of the engine's. Dropped without an answer, it fails with ClosedError or, if cancelled, TransferCancelledError.
    """

    def __init__(self) -> None: ...

    def pending(self) -> Pending[T]:
        """What the caller waits for. Once."""

    def cancelled(self) -> bool:
        """
        The caller wants no result any more; it waits for set_error() or set_result() all the same.
        """

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """
        Calls `callback` when the caller cancels, on the thread that does; at once if that was before. Once.
        """

    def set_result(self, value: T) -> None:
        """Once, from any thread."""

    def set_error(self, error: BaseException) -> None:
        """Once, from any thread."""

class Buffer:
    """
    Bytes in engine memory: uint8, shape [n], on the CPU, 4 KiB aligned (slices keep their offset), writable, freed for reuse when the last view of it dies.
    """

    def __init__(self, data: object) -> None:
        """A copy of any contiguous memory, tensors included."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

    @overload
    def __getitem__(self, index: int, /) -> int: ...

    @overload
    def __getitem__(self, index: slice, /) -> Buffer: ...

    def __eq__(self, other: object, /) -> bool: ...

    def __bytes__(self) -> bytes: ...

    def to_bytes(self) -> bytes:
        """A copy."""

    def memoryview(self) -> memoryview:
        """The same memory: format "B", writable."""

    def __dlpack__(self, *, stream: object = None, max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...

    def __reduce__(self) -> tuple[Any, ...]: ...

    def __repr__(self) -> str: ...

    __hash__: None  # type: ignore[assignment]

class Window:
    """What window() gives a view of."""

def window(object: object, size: int) -> memoryview:
    """
    A view of the first `size` bytes of any writable memory, tensors included.
    """

def memory_size(object: object, what: str) -> int:
    """
    Bytes of memory of a buffer or tensor; the errors of passing it to a verb.
    """

def prefer_huge_pages(memory: object) -> None:
    """
    Ask the system to back memory by huge pages; for fresh memory that is about to be filled.
    """

def allocate(size: int) -> Buffer:
    """Memory from the engine's pool; its contents are unspecified."""

def crc32(data: object, value: int = 0) -> int: ...

def crc32c(data: object, value: int = 0) -> int: ...

def crc64nvme(data: object, value: int = 0) -> int: ...

def crc32_blocks(data: object, block_size: int) -> bytes:
    """Four little-endian bytes a block; the last block may be shorter."""

def crc32_combine(first: int, second: int, second_size: int) -> int: ...

def same_etag(etag: str, other: str) -> bool:
    """
    Whether both name one generation, however they are spelt: quoted or not, weak or not, digests in either case.
    """

class ObjectMeta:
    """What a store knows about one object. Immutable."""

    def __init__(self, key: str, size: int, etag: str = '', version_id: str = '', last_modified: float = 0.0, content_type: str = '', content_encoding: str = '', storage_class: str = '', server_side_encryption: str = '', sse_kms_key_id: str = '', checksum_kind: str = 'none', checksum: str = '', user_metadata: Mapping[str, str] = {}, uri: str = '') -> None: ...

    @property
    def key(self) -> str:
        """Below the store's prefix."""

    @property
    def uri(self) -> str:
        """Scheme, bucket and whole key."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def etag(self) -> str:
        """As the service gives it, quotes included; "" where there is none."""

    @property
    def version_id(self) -> str:
        """"" where the bucket keeps no versions."""

    @property
    def last_modified(self) -> float:
        """Seconds since the epoch; 0.0: unknown."""

    @property
    def content_type(self) -> str:
        """"" in listings."""

    @property
    def content_encoding(self) -> str:
        """"" in listings."""

    @property
    def storage_class(self) -> str:
        """"": the standard one."""

    @property
    def server_side_encryption(self) -> str:
        """"AES256", "aws:kms", ... or ""."""

    @property
    def sse_kms_key_id(self) -> str:
        """The key's ARN, for "aws:kms"."""

    @property
    def checksum_kind(self) -> str:
        """"crc64nvme", "crc32c", "crc32" or "none"."""

    @property
    def checksum(self) -> str:
        """Base64, with "-N" behind it when it is one of parts' checksums."""

    @property
    def user_metadata(self) -> dict[str, str]:
        """What put() was given as `metadata`; empty in listings."""

    def __eq__(self, other: object, /) -> bool: ...

    def __hash__(self) -> int: ...

    def __reduce__(self) -> tuple[Any, ...]: ...

    def __repr__(self) -> str: ...

class PutResult:
    """What the service answered to a finished write. Immutable."""

    def __init__(self, etag: str, version_id: str = '', size: int = 0, checksum_kind: str = 'none', checksum: str = '') -> None: ...

    @property
    def etag(self) -> str:
        """As the service gives it, quotes included."""

    @property
    def version_id(self) -> str:
        """"" where the bucket keeps no versions."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def checksum_kind(self) -> str:
        """"crc64nvme", "crc32c", "crc32" or "none"."""

    @property
    def checksum(self) -> str:
        """Base64."""

    def __eq__(self, other: object, /) -> bool: ...

    def __hash__(self) -> int: ...

    def __reduce__(self) -> tuple[Any, ...]: ...

    def __repr__(self) -> str: ...

class BucketInfo:
    """A bucket of the account."""

    @property
    def name(self) -> str:
        """As in its URI."""

    @property
    def created(self) -> float:
        """Seconds since the epoch; 0.0: unknown."""

    def __repr__(self) -> str: ...

class ListPage:
    """One page of a listing."""

    @property
    def objects(self) -> list[ObjectMeta]: ...

    @property
    def common_prefixes(self) -> list[str]: ...

    @property
    def continuation_token(self) -> str:
        """"" on the last page."""

class Tuning:
    """The engine's Tuning; a fresh one holds its defaults."""

    def __init__(self) -> None: ...

    @property
    def part_size(self) -> int: ...

    @part_size.setter
    def part_size(self, arg: int, /) -> None: ...

    @property
    def max_in_flight_bytes(self) -> int: ...

    @max_in_flight_bytes.setter
    def max_in_flight_bytes(self, arg: int, /) -> None: ...

    @property
    def max_connections(self) -> int: ...

    @max_connections.setter
    def max_connections(self, arg: int, /) -> None: ...

    @property
    def initial_connections(self) -> int: ...

    @initial_connections.setter
    def initial_connections(self, arg: int, /) -> None: ...

    @property
    def coalesce_gap(self) -> int: ...

    @coalesce_gap.setter
    def coalesce_gap(self, arg: int, /) -> None: ...

    @property
    def multipart_threshold(self) -> int: ...

    @multipart_threshold.setter
    def multipart_threshold(self, arg: int, /) -> None: ...

    @property
    def equal_parts(self) -> bool: ...

    @equal_parts.setter
    def equal_parts(self, arg: bool, /) -> None: ...

    @property
    def stall_floor_bytes(self) -> int: ...

    @stall_floor_bytes.setter
    def stall_floor_bytes(self, arg: int, /) -> None: ...

    @property
    def max_attempts(self) -> int: ...

    @max_attempts.setter
    def max_attempts(self, arg: int, /) -> None: ...

    @property
    def retry_budget(self) -> int: ...

    @retry_budget.setter
    def retry_budget(self, arg: int, /) -> None: ...

    @property
    def hedge(self) -> bool: ...

    @hedge.setter
    def hedge(self, arg: bool, /) -> None: ...

    @property
    def file_threads(self) -> int: ...

    @file_threads.setter
    def file_threads(self, arg: int, /) -> None: ...

    @property
    def io_uring(self) -> bool: ...

    @io_uring.setter
    def io_uring(self, arg: bool, /) -> None: ...

    @property
    def sync_writes(self) -> bool: ...

    @sync_writes.setter
    def sync_writes(self, arg: bool, /) -> None: ...

    @property
    def connect_timeout_seconds(self) -> float: ...

    @connect_timeout_seconds.setter
    def connect_timeout_seconds(self, arg: float, /) -> None: ...

    @property
    def first_byte_timeout_seconds(self) -> float: ...

    @first_byte_timeout_seconds.setter
    def first_byte_timeout_seconds(self, arg: float, /) -> None: ...

    @property
    def stall_window_seconds(self) -> float: ...

    @stall_window_seconds.setter
    def stall_window_seconds(self, arg: float, /) -> None: ...

    @property
    def operation_timeout_seconds(self) -> float: ...

    @operation_timeout_seconds.setter
    def operation_timeout_seconds(self, arg: float, /) -> None: ...

    @property
    def idle_timeout_seconds(self) -> float: ...

    @idle_timeout_seconds.setter
    def idle_timeout_seconds(self, arg: float, /) -> None: ...

    @property
    def backoff_base_seconds(self) -> float: ...

    @backoff_base_seconds.setter
    def backoff_base_seconds(self, arg: float, /) -> None: ...

    @property
    def backoff_cap_seconds(self) -> float: ...

    @backoff_cap_seconds.setter
    def backoff_cap_seconds(self, arg: float, /) -> None: ...

    @property
    def verify(self) -> str: ...

    @verify.setter
    def verify(self, arg: str, /) -> None: ...

    @property
    def upload_checksum(self) -> str: ...

    @upload_checksum.setter
    def upload_checksum(self, arg: str, /) -> None: ...

class S3Options:
    def __init__(self) -> None: ...

    @property
    def bucket(self) -> str: ...

    @bucket.setter
    def bucket(self, arg: str, /) -> None: ...

    @property
    def region(self) -> str: ...

    @region.setter
    def region(self, arg: str, /) -> None: ...

    @property
    def endpoint_url(self) -> str: ...

    @endpoint_url.setter
    def endpoint_url(self, arg: str, /) -> None: ...

    @property
    def unsigned_access(self) -> bool: ...

    @unsigned_access.setter
    def unsigned_access(self, arg: bool, /) -> None: ...

    @property
    def requester_pays(self) -> bool: ...

    @requester_pays.setter
    def requester_pays(self, arg: bool, /) -> None: ...

    @property
    def kms_key_id(self) -> str: ...

    @kms_key_id.setter
    def kms_key_id(self, arg: str, /) -> None: ...

    @property
    def expected_bucket_owner(self) -> str: ...

    @expected_bucket_owner.setter
    def expected_bucket_owner(self, arg: str, /) -> None: ...

    @property
    def dualstack(self) -> bool: ...

    @dualstack.setter
    def dualstack(self, arg: bool, /) -> None: ...

    @property
    def fips(self) -> bool: ...

    @fips.setter
    def fips(self, arg: bool, /) -> None: ...

    def set_customer_key(self, key: bytes) -> None: ...

    @property
    def addressing(self) -> str: ...

    @addressing.setter
    def addressing(self, arg: str, /) -> None: ...

    @property
    def payload_signing(self) -> str: ...

    @payload_signing.setter
    def payload_signing(self, arg: str, /) -> None: ...

    @property
    def sse(self) -> str: ...

    @sse.setter
    def sse(self, arg: str, /) -> None: ...

class Credentials:
    """Write-only from Python: what went in shows nowhere."""

    def __init__(self, access_key_id: str, secret_access_key: str, session_token: str = '', expires_at: float | None = None) -> None: ...

    def __repr__(self) -> str: ...

class PutOptions:
    def __init__(self) -> None: ...

    @property
    def if_none_match(self) -> bool: ...

    @if_none_match.setter
    def if_none_match(self, arg: bool, /) -> None: ...

    @property
    def if_match(self) -> str: ...

    @if_match.setter
    def if_match(self, arg: str, /) -> None: ...

    @property
    def content_type(self) -> str: ...

    @content_type.setter
    def content_type(self, arg: str, /) -> None: ...

    @property
    def content_encoding(self) -> str: ...

    @content_encoding.setter
    def content_encoding(self, arg: str, /) -> None: ...

    @property
    def cache_control(self) -> str: ...

    @cache_control.setter
    def cache_control(self, arg: str, /) -> None: ...

    @property
    def content_disposition(self) -> str: ...

    @content_disposition.setter
    def content_disposition(self, arg: str, /) -> None: ...

    @property
    def storage_class(self) -> str: ...

    @storage_class.setter
    def storage_class(self, arg: str, /) -> None: ...

    @property
    def metadata(self) -> dict[str, str]: ...

    @metadata.setter
    def metadata(self, arg: Mapping[str, str], /) -> None: ...

    @property
    def part_size(self) -> int | None: ...

    @part_size.setter
    def part_size(self, value: int | None) -> None: ...

    @property
    def expected_size(self) -> int | None: ...

    @expected_size.setter
    def expected_size(self, value: int | None) -> None: ...

def open_s3(*, options: S3Options, tuning: Tuning, credentials: Credentials | None, provider_id: int | None, ca_bundle: str, ca_bundle_fallback: str, prefix: str, base_uri: str) -> NativeStore:
    """
    credentials: fixed ones. provider_id: ask Python (see next_events). Neither: unsigned requests.
    """

def open_file(*, root: str, direct: bool, scheme: str, tuning: Tuning, base_uri: str) -> NativeStore: ...

class NativeStore:
    """
    An engine store below a prefix. Every verb starts a call and returns at once.
    """

    def close(self) -> None:
        """Lets go of the engine's store; calls under way go on to their end."""

    def get(self, key: str, size: int | None, if_match: str, version_id: str, verify: str) -> Pending[Buffer]: ...

    def get_range(self, key: str, start: int, end: int | None, size: int | None, if_match: str, version_id: str, verify: str) -> Pending[Buffer]: ...

    def get_into(self, key: str, out: object, offset: int, limit: int | None, if_match: str, version_id: str, verify: str) -> Pending[int]:
        """limit: fill only that many bytes of `out`."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]], if_match: str, version_id: str, verify: str) -> Pending[list[Buffer]]:
        """Slices of one slab. Every end must lie above its start."""

    def get_ranges_into(self, key: str, ranges: Sequence[tuple[int, int]], out: Sequence[object], if_match: str, version_id: str, verify: str) -> Pending[list[int]]:
        """As many `out` as ranges. The result: bytes read of each."""

    def put(self, key: str, data: object, options: PutOptions) -> Pending[PutResult]: ...

    def open_writer(self, key: str, options: PutOptions) -> NativeWriter: ...

    def list_page(self, prefix: str, delimiter: str, start_after: str, continuation_token: str, max_keys: int = 1000) -> Pending[ListPage]: ...

    def head(self, key: str, version_id: str) -> Pending[ObjectMeta]: ...

    def delete_many(self, keys: Sequence[str]) -> Pending[list[tuple[str, s3dlio_core.errors.StorageError]]]:
        """The result: the keys that could not be deleted, and why."""

    def copy(self, source_bucket: str, source_key: str, key: str, version_id: str, if_match: str, options: PutOptions) -> Pending[PutResult]:
        """
        source_key: whole, with its store's prefix. source_bucket "": this store's.
        """

    def create_bucket(self) -> Pending[None]: ...

    def delete_bucket(self) -> Pending[None]: ...

    def list_buckets(self) -> Pending[list[BucketInfo]]: ...

    def sweep_uploads(self, prefix: str, older_than_seconds: int) -> Pending[int]: ...

    def get_many_into(self, items: Sequence[tuple[str, int | None, int, int, str]], out: object, offsets: Sequence[int], window_requests: int) -> Pending[list[int]]:
        """
        items: (key, size or None, start, end or 0 for the object's end, etag or ""); item i goes to out[offsets[i]:offsets[i + 1]], exactly.
        """

    def open_fetch_stream(self, window_bytes: int, window_requests: int, in_order: bool) -> NativeFetchStream: ...

    def register_handle(self) -> int:
        """
        A number that names this store to torch.ops.s3dlio, until forget_handle().
        """

class NativeWriter:
    def write(self, data: object) -> Pending[None]: ...

    def close(self) -> Pending[PutResult]: ...

    def abort(self) -> Pending[None]: ...

    def drop(self) -> None:
        """Aborts, and waits for nothing but at the end of the process."""

    def bytes_written(self) -> int: ...

class NativeFetchStream:
    def push(self, items: Sequence[tuple[str, int | None, int, int, str]]) -> None:
        """
        What to fetch next, behind what was pushed before: (key, size or None, start, end or 0 for the object's end).
        """

    def finish(self) -> None:
        """No item follows."""

    def next(self, max_count: int) -> list[tuple[int, Buffer | s3dlio_core.errors.StorageError]]:
        """
        At least one, only those already there beyond the first; empty: all were taken, and none follows.
        """

    def close(self) -> None:
        """Cancels what is under way and waits for it."""

def forget_handle(handle: int) -> None: ...

def take_last_error() -> s3dlio_core.errors.StorageError | None:
    """
    The error of the last torch.ops.s3dlio call that failed on this thread. Once.
    """

def stats() -> dict[str, int]: ...

def reset_stats() -> None: ...

def set_pool_cap_bytes(cap: int) -> None: ...

def trim_pool() -> None: ...

def crc_implementations() -> dict[str, str]:
    """What computes each checksum on this machine."""

class DataGenerator:
    """The contents of one made-up object."""

    def __init__(self, *, size: int, seed: int = 0, object_index: int = 0, dedup: float = 1.0, compress: float = 1.0, block_size: int = 4096) -> None: ...

    def fill(self, offset: int, out: object) -> None:
        """
        Writes bytes [offset, offset + size of `out`), which must lie inside the object.
        """

    def to_buffer(self) -> Buffer:
        """The whole object."""

    @property
    def size(self) -> int: ...

    @property
    def block_count(self) -> int: ...

    @property
    def unique_blocks(self) -> int: ...
