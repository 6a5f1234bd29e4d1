"""The endpoints for servers: where a starting one reports its port, and a running one asks how long it has.

batchspawner's own handler sets any attribute of the spawner that a job names. Ours replaces it and
takes a port, while that spawner waits for one, and nothing else.
"""

import hmac
import json
import time
from typing import Any

from batchspawner.api import BatchSpawnerAPIHandler  # type: ignore[import-untyped]
from jupyterhub import apihandlers  # type: ignore[import-untyped]
from jupyterhub.apihandlers.base import APIHandler  # type: ignore[import-untyped]
from tornado import web

from jupyterhub_moss.credentials import token_digest

TIME_LEFT_PATTERN = r"/api/moss/time-left"
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


def spawner_of(handler: Any) -> Any:
    """The server whose token the request has; 403 for another token."""
    token = handler.get_auth_token() or ""
    # a service has tokens too, and no servers
    for spawner in getattr(handler.current_user, "spawners", {}).values():
        if _has_token(spawner, token):
            return spawner
    handler.log.warning("Refused a request of %s: no server has that token", handler.current_user.name)
    raise web.HTTPError(403, "the token belongs to no server of this user")


class PortHandler(BatchSpawnerAPIHandler):  # type: ignore[misc]  # batchspawner is untyped
    """``POST /hub/api/batchspawner`` with ``{"port": N}`` and the server's own API token."""

    @web.authenticated
    def post(self) -> None:
        """Take the port of a server that is starting; 409 at any other time."""
        spawner = spawner_of(self)
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


class TimeLeftHandler(APIHandler):  # type: ignore[misc]  # jupyterhub is untyped
    """``GET /hub/api/moss/time-left`` with the server's own API token."""

    @web.authenticated
    def get(self) -> None:
        """``seconds_left``, null where that is not known, and ``warn_minutes``; 404 for another kind of server."""
        spawner = spawner_of(self)
        if not hasattr(spawner, "ends_at"):
            raise web.HTTPError(404, "the server does not run on Slurm")
        ends_at = spawner.ends_at
        # not when it ends: the clock of who asks may be wrong
        left = None if ends_at is None else round(ends_at - time.time())
        self.finish(json.dumps({"seconds_left": left, "warn_minutes": spawner.end_warning_minutes}))


def replace_port_handler() -> None:
    """Put `PortHandler` in the place of batchspawner's handler; once is enough, twice does no harm."""
    handlers = apihandlers.default_handlers
    for index, (pattern, handler, *rest) in enumerate(handlers):
        if handler is BatchSpawnerAPIHandler:
            handlers[index] = (pattern, PortHandler, *rest)


def add_handler(pattern: str, handler: type[APIHandler]) -> None:
    """Add an endpoint to the hub's API; once is enough, twice does no harm."""
    if (pattern, handler) not in apihandlers.default_handlers:
        apihandlers.default_handlers.append((pattern, handler))
