"""What can go wrong with an answer, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from servers.wire import Reply, Request


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Byte counts are of the body unless said otherwise."""

    # answered in place of doing it
    status: int | None = None
    code: str = ""  # of an S3 error document; "" with a status: an empty body
    message: str = "injected"
    body: bytes | None = None
    # while the request's body comes in
    end_after_request_bytes: int | None = None
    stall_after_request_bytes: int | None = None
    # before the answer
    not_done: bool = False  # with lose_answer: the operation is not carried out either
    lose_answer: bool = False  # done, then the connection ends (see `end`) without a byte
    delay_head_seconds: float = 0
    stall_head: bool = False
    # the answer's head
    edit: Callable[[Request, Reply], Reply | None] | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)  # replaced; None: left out
    more_headers: tuple[tuple[str, str], ...] = ()  # added, doubles included
    raw_head: bytes | None = None
    cut_head_at: int | None = None
    endless: str = ""  # "header", "line", "1xx"
    # the answer's body
    whole_object: bool = False  # 200 with everything to a ranged request
    cut_at: int | None = None
    stall_at: int | None = None
    stall_seconds: float = 3600
    bytes_per_second: float | None = None
    corrupt_at: int | None = None  # the byte of the body to flip; a shorter answer goes out as it is
    surplus: bytes = b""
    chunked: bool = False
    # how the connection ends where it does
    end: str = "fin"  # "fin", "rst"
    end_after: bool = False  # after a whole answer that promised to keep it open


@dataclass
class Rule:
    fault: Fault
    operation: str | None = None
    key: str | None = None
    when: Callable[[Request], bool] | None = None
    times: int | None = 1
    skip: int = 0
    seen: int = 0
    fired: int = 0

    def claims(self, request: Request) -> bool:
        if self.operation is not None and request.operation != self.operation:
            return False
        if self.key is not None and request.key != self.key:
            return False
        if self.when is not None and not self.when(request):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        self.fired += 1
        return True
