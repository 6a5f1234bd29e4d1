"""The notebook hub's proxy: the one written in Python, with events passed on while they happen.

`python -m portal.hub.proxy` takes the options of `configurable-http-proxy`, which by itself passes an answer on
when it is complete: the page of a waiting server would stay empty until the wait is over.
"""

from typing import Final

from configurable_http_proxy import configproxy
from configurable_http_proxy.cli import main
from configurable_http_proxy.handlers import ProxyHandler
from tornado.httpclient import AsyncHTTPClient
from tornado.httputil import HTTPInputError, parse_response_start_line

_EVENTS: Final = "text/event-stream"
_PASSED: Final = frozenset({"content-type", "cache-control"})


class StreamingHandler(ProxyHandler):
    """Passes on each piece of an event stream as it comes; everything else when it is complete."""

    async def call_proxy(self, path: str | None = None) -> None:
        """Answer this request with what the hub or the notebook server answers."""
        if _EVENTS not in self.request.headers.get("Accept", ""):
            await super().call_proxy(path)
        elif url := await self.get_target_url(path):
            await self._stream(url)

    async def _stream(self, url: str) -> None:
        request = self._get_proxy_request(url)
        request.header_callback, request.streaming_callback = self._take_header, self._take_piece
        # One for each who waits: the ten connections of the shared client are for those who do not.
        client = AsyncHTTPClient(force_instance=True)
        try:
            await client.fetch(request, raise_error=False)
        except Exception as error:  # noqa: BLE001 - as the handler that this one extends
            if not self._headers_written:
                await self.handle_proxy_error(503, error)
                return
        finally:
            client.close()
        self.finish()

    def _take_header(self, line: str) -> None:
        name, _, value = line.partition(":")
        if line.startswith("HTTP/"):
            self.set_status(parse_response_start_line(line.strip()).code)
        elif name.lower() in _PASSED:
            self.set_header(name, value.strip())

    def _take_piece(self, piece: bytes) -> None:
        if self.request.connection.stream.closed():
            # ends the request; any other error would be logged for each visitor who leaves
            raise HTTPInputError("nobody is there to take it")
        self.write(piece)
        self.flush()


if __name__ == "__main__":
    configproxy.ProxyHandler = StreamingHandler
    main()
