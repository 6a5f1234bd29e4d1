"""A TCP proxy that counts round trips: how often a client has had to wait for its server."""

import selectors
import socket
import threading
from typing import Self

CHUNK = 1 << 16


class CountingProxy:
    """Listens on a loopback port and hands everything on to a server.

    A round trip begins when the client sends something after it has been answered; what a client sends before the
    answer comes belongs to the same one. So the number is exact, whatever the network's and the machine's speed.

    Args:
        host: the server's.
        port: the server's.

    Attributes:
        port: where the proxy listens.
        round_trips: of all connections, since the proxy was started.
    """

    def __init__(self, host: str, port: int) -> None:
        self.round_trips = 0
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._answered: dict[socket.socket, bool] = {}
        self._stop, self._stopping = socket.socketpair()

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._stopping, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.close()
        self._thread.join()
        for opened in (self._listener, self._stopping, *self._peers):
            opened.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        server = socket.create_connection(self._server)
        self._peers |= {client: server, server: client}
        self._answered[client] = True
        self._selector.register(client, selectors.EVENT_READ, self._from_client)
        self._selector.register(server, selectors.EVENT_READ, self._from_server)

    def _from_client(self, client: socket.socket) -> None:
        if self._hand_on(client) and self._answered[client]:
            self._answered[client] = False
            self.round_trips += 1

    def _from_server(self, server: socket.socket) -> None:
        # Noted before the answer is out: the client may be quicker with its next message than this thread.
        self._answered[self._peers[server]] = True
        self._hand_on(server)

    def _hand_on(self, source: socket.socket) -> bool:
        try:
            data = source.recv(CHUNK)
        except ConnectionError:
            data = b""
        if data:
            self._peers[source].sendall(data)
            return True
        for end in (source, self._peers[source]):
            self._selector.unregister(end)
            end.close()
        self._answered.pop(source, self._answered.pop(self._peers[source], None))
        del self._peers[self._peers.pop(source)]
        return False
