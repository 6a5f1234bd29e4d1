"""A proxy in front of the real S3 server that counts requests and bytes, and fails where a test asks it to.

The client's Host header is passed on, so signatures stay valid.
"""

import http.client
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class CountingProxy:
    """`fault(request)` may return "refuse 503", "drop request", "lose answer" or ("cut", bytes)."""

    upstream: str
    requests: list = field(default_factory=list)
    bytes_down: int = 0
    fault: object = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self):
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
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
        self.bytes_down = 0

    @property
    def methods(self):
        return [method for method, _, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def handle_any(self):
        owner = self.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with owner.lock:
            fault = owner.fault(self) if owner.fault else None
            owner.requests.append((self.command, self.path, fault))
        if fault == "drop request":
            return self._hang_up()
        if fault == "refuse 503":
            return self._answer(503)
        if fault == "refuse 403":
            return self._answer(403)
        upstream = http.client.HTTPConnection(owner.upstream, timeout=30)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body or None)
        response = upstream.getresponse()
        if fault == "lose answer":
            response.read()
            upstream.close()
            return self._hang_up()
        self._pass_on(response, fault)
        upstream.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def _pass_on(self, response, fault):
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
        chunked = response.getheader("Content-Length") is None and self.command != "HEAD"
        data = response.read() if chunked else None
        if data is not None:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        left = fault[1] if isinstance(fault, tuple) else None
        while self.command != "HEAD" and (block := data if data is not None else response.read(16384)):
            block = block if left is None else block[:left]
            try:
                self.wfile.write(block)
                self.owner.bytes_down += len(block)
            except OSError:
                self.close_connection = True
                return
            if left is not None:
                left -= len(block)
                if left <= 0:
                    return self._hang_up()
            if data is not None:
                break

    def _answer(self, status):
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args):
        """Nothing is written: pytest shows what matters."""
