"""An S3 server that misbehaves on cue, over plain sockets or TLS.

    with FaultServer() as server:
        server.put_object("data", "a.bin", payload)
        server.fault("get", cut_at=1000, end="rst")          # once; then it is a true S3 again
        ...
        assert server.count("get") == 2 and server.requests[1].headers["if-match"]

A rule fires on the requests it matches, `times` of them after `skip`; the first rule that still may fire wins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from types import TracebackType

from servers.fault import Fault, Rule
from servers.objects import S3Objects, StoredObject, error_document
from servers.wire import ConnectionOver, Reader, Reply, Request, operation_of

REASONS = {
    200: "OK", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 307: "Temporary Redirect",
    400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 412: "Precondition Failed",
    416: "Requested Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


class FaultServer:
    """A small S3 on loopback whose answers can be spoilt, request by request. Thread safe.

    Args:
        tls: Context of the server's side for TLS; None: plain.
        address: Loopback address to listen on.
    Attributes:
        objects: What it holds (see S3Objects for its own switches).
        requests: All requests so far, in order of arrival.
        peak_concurrency: Most requests between their head and the end of their answer at one time.
        clock_offset_seconds: Its clock's distance from ours; requests dated 15 minutes off it are refused.
        valid_keys: Access key ids it knows; None: any, signed or not.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0) -> None:
        self.objects = S3Objects()
        self.requests: list[Request] = []
        self.peak_concurrency = 0
        self.bytes_sent = 0
        self.connections = 0
        self.handshake_failures = 0
        self.clock_offset_seconds = 0.0
        self.check_dates = False
        self.valid_keys: set[str] | None = None
        self.access_key, self.secret_key, self.region = "AKFAULT", "fault-secret", "us-east-1"
        self._tls = tls
        self._rules: list[Rule] = []
        self._lock = threading.RLock()
        self._active = 0
        self._attempts: dict[tuple[str, str, str], int] = {}
        self._stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((address, port), backlog=256)
        self.address, self.port = self._listener.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept, name="fault-server", daemon=True)
        self._acceptor.start()

    # ---- for the tests ----
    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}:{self.port}"

    def fault(
        self,
        operation: str | None = None,
        *,
        key: str | None = None,
        when: Callable[[Request], bool] | None = None,
        times: int | None = 1,
        skip: int = 0,
        **what: object,
    ) -> Rule:
        """Add a rule; `what` are Fault's fields. `times=None`: for ever."""
        rule = Rule(Fault(**what), operation, key, when, times, skip)  # type: ignore[arg-type]
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules.clear()

    def forget(self) -> None:
        """Forget the requests seen so far."""
        with self._lock:
            self.requests.clear()
            self._attempts.clear()
            self.peak_concurrency, self.bytes_sent, self.connections = 0, 0, 0

    def put_object(self, bucket: str, key: str, data: bytes, *, parts: int = 0) -> StoredObject:
        return self.objects.put_object(bucket, key, data, parts=parts)

    def stored(self, bucket: str, key: str) -> bytes | None:
        with self.objects.lock:
            found = self.objects.buckets.get(bucket, {}).get(key)
            return None if found is None else found.data

    def seen(self, operation: str | None = None, *, key: str | None = None) -> list[Request]:
        with self._lock:
            return [
                r
                for r in self.requests
                if operation in (None, r.operation) and key in (None, r.key)
            ]  # fmt: skip

    def count(self, operation: str | None = None, *, key: str | None = None) -> int:
        return len(self.seen(operation, key=key))

    def quiet(self, *, within_seconds: float) -> bool:
        """Whether no request is between its head and the end of its answer, now or soon."""
        end = time.monotonic() + within_seconds
        while self._active and time.monotonic() < end:
            time.sleep(0.002)
        return not self._active

    def drop_connections(self, how: str = "fin") -> None:
        """End every open connection now."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                if how == "rst":  # its thread wakes up and closes it
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RD)
                else:
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        self.drop_connections()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- connections ----
    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
            thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            try:
                sock.settimeout(10)
                sock = self._tls.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            except OSError:
                with self._lock:
                    self.handshake_failures += 1
                sock.close()
                return
        with self._lock:
            self._sockets.add(sock)
        try:
            reader = Reader(sock)
            while self._serve_one(sock, reader, number):
                pass
            _say_goodbye(sock)
        except (ConnectionOver, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._sockets.discard(sock)
            sock.close()

    def _serve_one(self, sock: socket.socket, reader: Reader, number: int) -> bool:
        """One request and its answer. False: the connection is over."""
        method, target, headers = reader.head()
        request = Request(method, target, headers, number)
        fault = self._arrived(request)
        try:
            if not self._take_body(sock, reader, request, fault):
                return False
            reply = self._answer(request, fault)
            if fault.stall_head:
                self._stopping.wait(fault.stall_seconds)
                return False
            if fault.delay_head_seconds:
                self._stopping.wait(fault.delay_head_seconds)
            if fault.lose_answer:
                return self._over(sock, fault)
            request.status = reply.status
            return self._send(sock, request, reply, fault)
        finally:
            with self._lock:
                self._active -= 1

    def _arrived(self, request: Request) -> Fault:
        with self._lock:
            identity = (request.method, request.target, request.headers.get("range", ""))
            request.attempt = self._attempts[identity] = self._attempts.get(identity, 0) + 1
            request.number = len(self.requests)
            self.requests.append(request)
            self._active += 1
            self.peak_concurrency = max(self.peak_concurrency, self._active)
            for rule in self._rules:
                if rule.claims(request):
                    return rule.fault
        return Fault()

    def _take_body(self, sock: socket.socket, reader: Reader, request: Request, fault: Fault) -> bool:
        if "100-continue" in request.headers.get("expect", "").lower():
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault.end_after_request_bytes is not None:
            reader.exactly(fault.end_after_request_bytes)
            return self._over(sock, fault)
        if fault.stall_after_request_bytes is not None:
            reader.exactly(fault.stall_after_request_bytes)
            self._stopping.wait(fault.stall_seconds)
            return False
        request.body = reader.body(request.headers)
        return True

    # ---- answers ----
    def _answer(self, request: Request, fault: Fault) -> Reply:
        refusal = self._refusal(request)
        if refusal is not None:
            reply = refusal
        elif fault.status is not None:
            document = error_document(fault.code, fault.message) if fault.code else b""
            reply = Reply(fault.status, [], document if fault.body is None else fault.body)
        elif fault.not_done:
            reply = Reply(500)
        else:
            subject = request
            if fault.whole_object:
                kept = {name: value for name, value in request.headers.items() if name != "range"}
                subject = dataclasses.replace(request, headers=kept)
            reply = self.objects.handle(subject)
            if fault.body is not None:
                reply.body = fault.body
        if fault.edit is not None:
            reply = fault.edit(request, reply) or reply
        for name, value in fault.headers.items():
            reply.set(name, value)
        if fault.corrupt_at is not None and fault.corrupt_at < len(reply.body):
            spoilt = bytearray(reply.body)
            spoilt[fault.corrupt_at] ^= 0x40
            reply.body = bytes(spoilt)
        return reply

    def _refusal(self, request: Request) -> Reply | None:
        """What the clock or the keys forbid."""
        sent = request.headers.get("x-amz-date")
        if self.check_dates and sent:
            theirs = time.mktime(time.strptime(sent, "%Y%m%dT%H%M%SZ")) - time.timezone
            if abs(theirs - self._now()) > 900:
                text = "The difference between the request time and the current time is too large."
                return Reply(403, [], error_document("RequestTimeTooSkewed", text))
        if self.valid_keys is not None:
            name = request.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
            if name not in self.valid_keys:
                return Reply(400, [], error_document("ExpiredToken", "The provided token has expired."))
        return None

    def _now(self) -> float:
        return time.time() + self.clock_offset_seconds

    def _send(self, sock: socket.socket, request: Request, reply: Reply, fault: Fault) -> bool:
        if fault.endless:
            return self._send_endless(sock, fault)
        head = fault.raw_head if fault.raw_head is not None else self._head(reply, fault)
        if fault.cut_head_at is not None:
            sock.sendall(head[: fault.cut_head_at])
            return self._over(sock, fault)
        body = memoryview(b"" if request.method == "HEAD" or reply.status == 204 else reply.body)
        stops = [at for at in (fault.cut_at, fault.stall_at) if at is not None]
        first = body[: min(stops)] if stops else body
        if fault.surplus:
            # In one piece with the end of the answer: what comes later may meet the next request on its way.
            whole = memoryview(head + bytes(body))
            sock.sendall(whole[:-1000])
            sock.sendall(bytes(whole[-1000:]) + fault.surplus)
            return True
        sock.sendall(head)
        self._send_body(sock, first, fault)
        if fault.stall_at is not None and fault.cut_at is None:
            self._stopping.wait(fault.stall_seconds)
            return False
        if stops:
            return self._over(sock, fault)
        if fault.end_after:
            return self._over(sock, fault)
        return "close" not in (reply.header("Connection") or "") and request.headers.get("connection") != "close"

    def _head(self, reply: Reply, fault: Fault) -> bytes:
        lines = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}"]
        named = {name.lower() for name, _ in reply.headers} | {name.lower() for name in fault.headers}
        if fault.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif "content-length" not in named and reply.status != 204:
            lines.append(f"Content-Length: {len(reply.body)}")
        if "date" not in named:
            lines.append(f"Date: {formatdate(self._now(), usegmt=True)}")
        if "x-amz-request-id" not in named:
            lines.append("x-amz-request-id: REQ-FAULT")
        lines += [f"{name}: {value}" for name, value in (*reply.headers, *fault.more_headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _send_body(self, sock: socket.socket, body: memoryview, fault: Fault) -> None:
        if fault.chunked:
            for start in range(0, len(body), 100_000):
                piece = body[start : start + 100_000]
                sock.sendall(b"%x\r\n" % len(piece) + bytes(piece) + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
        elif fault.bytes_per_second is not None:
            self._trickle(sock, body, fault.bytes_per_second)
            return  # counted as it went
        else:
            sock.sendall(body)
        self._sent(len(body))

    def _sent(self, nbytes: int) -> None:
        with self._lock:
            self.bytes_sent += nbytes

    def _trickle(self, sock: socket.socket, body: memoryview, rate: float) -> None:
        piece = max(1, int(rate / 20))
        for start in range(0, len(body), piece):
            sock.sendall(body[start : start + piece])
            self._sent(min(piece, len(body) - start))
            if self._stopping.wait(piece / rate):
                return

    def _send_endless(self, sock: socket.socket, fault: Fault) -> bool:
        first, again = {
            "header": (b"HTTP/1.1 200 OK\r\n", b"x-filler: " + b"a" * 100 + b"\r\n"),
            "line": (b"HTTP/1.1 200 OK\r\nx-filler: ", b"a" * 1000),
            "1xx": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
        }[fault.endless]
        sock.sendall(first)
        end = time.monotonic() + 20
        while not self._stopping.is_set() and time.monotonic() < end:
            sock.sendall(again * 100)  # fails once the client has had enough
        return False

    def _over(self, sock: socket.socket, fault: Fault) -> bool:
        _end(sock, fault.end)
        return False


def _say_goodbye(sock: socket.socket) -> None:
    """TLS's close_notify, where the connection still stands."""
    if isinstance(sock, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            sock.settimeout(0.2)
            sock.unwrap()


def _end(sock: socket.socket, how: str) -> None:
    """FIN after what was sent, or a reset that throws it away. Over TLS neither says goodbye first."""
    with contextlib.suppress(OSError):
        if how == "rst":
            # Give what was sent a moment to be read: a reset also drops what still waits in the peer's kernel.
            time.sleep(0.05)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        else:
            sock.shutdown(socket.SHUT_RDWR)


__all__ = ["Fault", "FaultServer", "Reply", "Request", "Rule", "operation_of"]
