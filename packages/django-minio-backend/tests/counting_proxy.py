"""A proxy in front of the real S3 server that counts requests and bytes, and fails where a test asks it to.

The client's Host header is passed on, so signatures stay valid.
"""

import http.client
import io
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BUFFER = 65536
_REFUSAL = re.compile(r"refuse (\d{3})( early)?")


@dataclass
class CountingProxy:
    """`fault(request)` may return "refuse 503" (any status), "refuse 503 early" (in the midst of the body, and hang up),
    "drop request", "break off" (in the midst of the body), "lose answer", "forget condition", "short pages" (lists of
    one entry a page) or ("cut", bytes)."""

    upstream: str
    sign: object = None
    """Signs a request anew that is changed on its way: called with method, path, headers; returns headers."""
    before: object = None
    """Called with each request before anything else, several at a time."""
    requests: list = field(default_factory=list)
    bytes_up: int = 0
    bytes_down: int = 0
    fault: object = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self):
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.endpoint = f"127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset(self):
        self.requests.clear()
        self.bytes_up = self.bytes_down = 0

    @property
    def methods(self):
        return [method for method, _, _ in self.requests]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # beyond five, which are socketserver's, a client waits a second for its connection


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def setup(self):
        # What is written counts as moved: the kernel shall not take megabytes that the client never asks for.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        # Nor shall a client have sent its whole body before a fault in the midst of it.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        super().setup()

    def handle_any(self):
        if self.owner.before:
            self.owner.before(self)
        with self.owner.lock:
            fault = self.owner.fault(self) if self.owner.fault else None
            self.owner.requests.append((self.command, self.path, fault))
        refusal = _REFUSAL.fullmatch(str(fault))
        early = fault == "break off" or bool(refusal and refusal[2])
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, _BUFFER) if early else length)
        with self.owner.lock:
            self.owner.bytes_up += len(body)
        if refusal:
            self._answer(int(refusal[1]))
        if early or fault == "drop request":
            self._hang_up()
        elif not refusal:
            self._forward(body, fault)

    def _forward(self, body, fault):
        upstream = http.client.HTTPConnection(self.owner.upstream, timeout=300)
        path = _with_short_pages(self.path) if fault == "short pages" else self.path
        upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if path != self.path or (fault == "forget condition" and headers.pop("if-none-match", None)):
            headers = self.owner.sign(self.command, path, headers)
        for name, value in headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body or None)
        response = upstream.getresponse()
        if fault == "lose answer":
            response.read()
            self._hang_up()
        else:
            self._pass_on(response, fault[1] if isinstance(fault, tuple) else None)
        upstream.close()

    def _pass_on(self, response, limit):
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
        if response.getheader("Content-Length") is None:
            whole = response.read()
            self.send_header("Content-Length", str(len(whole)))
            response = io.BytesIO(whole)
        self.end_headers()
        try:
            self._copy(response, limit)
        except OSError:  # the client has seen enough
            self.close_connection = True

    def _copy(self, response, limit):
        sent = 0
        while self.command != "HEAD" and (block := response.read(16384)):
            block = block[: None if limit is None else limit - sent]
            self.wfile.write(block)
            sent += len(block)
            self.owner.bytes_down += len(block)
            if sent == limit:
                self._hang_up()
                break

    def _answer(self, status):
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.send_header("Access-Control-Allow-Origin", "*")  # else a page learns nothing of the answer
        self.end_headers()

    def _hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args):
        """Nothing is written: pytest shows what matters."""


def _with_short_pages(path):
    """Return the path and query of a list with one entry a page; the order of the query stays that of the alphabet."""
    return path.replace("max-keys=1000", "max-keys=1").replace("?part-number", "?max-parts=1&part-number")
