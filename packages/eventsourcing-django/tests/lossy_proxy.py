"""A TCP proxy in front of a database server that can lose what the server answers, as a broken network does."""

import socket
import threading
from contextlib import suppress


class LossyProxy:
    """Forwards connections to a server; after `lose_next_answer()` the next answer ends the connection instead."""

    def __init__(self, host, port):
        self._server = (host, port)
        self._losing = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_answer(self):
        """Let the next request through to the server, and close the connection when the server answers."""
        self._losing.set()

    @property
    def is_losing(self):
        """Whether the answer is still to come."""
        return self._losing.is_set()

    def close(self):
        """End all connections."""
        # shutdown() wakes the threads that wait for the sockets; close() alone does not.
        for each in (self._listening, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for source, target, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._forward, args=(source, target, answers), daemon=True).start()

    def _forward(self, source, target, answers):
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self._losing.is_set():
                    self._losing.clear()
                    break
                target.sendall(data)
            for each in (source, target):
                each.shutdown(socket.SHUT_RDWR)
