"""A proxy that is not there, for a hub whose servers nobody visits."""

from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    """Remembers routes."""

    should_start = False

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._routes = {}

    async def add_route(self, routespec, target, data):
        self._routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec):
        self._routes.pop(routespec, None)

    async def get_all_routes(self):
        return dict(self._routes)
