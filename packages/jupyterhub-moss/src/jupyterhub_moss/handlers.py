"""The endpoint at which a starting server reports its port.

batchspawner's own handler sets any attribute of the spawner that a job names. Ours replaces it and
takes a port, while that spawner waits for one, and nothing else.
"""

import hmac
import json
from typing import Any

from batchspawner.api import BatchSpawnerAPIHandler  # type: ignore[import-untyped]
from jupyterhub import apihandlers  # type: ignore[import-untyped]
from tornado import web

from jupyterhub_moss.credentials import token_digest

_FIRST_PORT, _LAST_PORT = 1024, 65535


def read_port(body: object) -> int:
    """The port in a report; 400 for a report of any other shape."""
    if not isinstance(body, dict) or set(body) != {"port"}:
        raise web.HTTPError(400, "the report must be an object whose only key is 'port'")
    port = body["port"]
    if type(port) is not int or not _FIRST_PORT <= port <= _LAST_PORT:
        raise web.HTTPError(400, f"'port' must be an integer from {_FIRST_PORT} to {_LAST_PORT}")
    return port


def _has_token(spawner: Any, token: str) -> bool:
    digest = getattr(spawner, "token_digest", "") or (token_digest(spawner.api_token) if spawner.api_token else "")
    return hmac.compare_digest(digest, token_digest(token))


class PortHandler(BatchSpawnerAPIHandler):  # type: ignore[misc]  # batchspawner is untyped
    """``POST /hub/api/batchspawner`` with ``{"port": N}`` and the server's own API token."""

    def _spawner(self) -> Any:
        token = self.get_auth_token() or ""
        # a service has tokens too, and no servers
        for spawner in getattr(self.current_user, "spawners", {}).values():
            if _has_token(spawner, token):
                return spawner
        self.log.warning("Refused a port report of %s: no server has that token", self.current_user.name)
        raise web.HTTPError(403, "the token belongs to no server of this user")

    @web.authenticated
    def post(self) -> None:
        """Take the port of a server that is starting; 409 at any other time."""
        spawner = self._spawner()
        try:
            port = read_port(self.get_json_body())
        except web.HTTPError as refusal:
            self.log.warning(
                "Refused a port report of %s: %s", spawner.name or "the default server", refusal.log_message
            )
            raise
        # a hub can have other spawners of batchspawner beside ours
        if not getattr(spawner, "awaits_port", spawner.pending == "spawn"):
            self.log.warning("Refused a port report of %s: it is not starting", spawner.name or "the default server")
            raise web.HTTPError(409, "the server is not starting")
        getattr(spawner, "take_port", lambda port: setattr(spawner, "port", port))(port)
        self.set_status(201)
        self.finish(json.dumps({"message": "BatchSpawner data configured"}))


def replace_port_handler() -> None:
    """Put `PortHandler` in the place of batchspawner's handler; once is enough, twice does no harm."""
    handlers = apihandlers.default_handlers
    for index, (pattern, handler, *rest) in enumerate(handlers):
        if handler is BatchSpawnerAPIHandler:
            handlers[index] = (pattern, PortHandler, *rest)
