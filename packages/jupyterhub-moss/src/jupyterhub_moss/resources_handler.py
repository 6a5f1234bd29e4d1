"""The endpoint from which an open spawn page keeps its table of resources up to date."""

import json
from typing import Any

from jupyterhub.apihandlers.base import APIHandler  # type: ignore[import-untyped]
from jupyterhub.scopes import needs_scope  # type: ignore[import-untyped]
from tornado import web

RESOURCES_PATTERN = r"/api/users/([^/]+)/moss/resources"


class ResourcesHandler(APIHandler):  # type: ignore[misc]  # jupyterhub is untyped
    """``GET /hub/api/users/NAME/moss/resources``: what the user NAME can choose and how much of it is free."""

    @needs_scope("servers")  # type: ignore[untyped-decorator]  # jupyterhub is untyped
    async def get(self, user_name: str) -> None:
        """Answer from what is remembered; Slurm is asked at most once for all who ask at the same time."""
        user = self.find_user(user_name)
        spawner: Any = user.spawners[""] if user is not None else None
        if not hasattr(spawner, "live_resources"):
            raise web.HTTPError(404, f"{user_name} has no servers on Slurm")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(await spawner.live_resources()))
