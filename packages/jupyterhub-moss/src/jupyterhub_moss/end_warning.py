"""An extension of Jupyter Server that tells JupyterLab how long the server still has.

It answers ``GET /user/NAME/moss/time-left`` and asks the hub with the server's own token, so that a page of the server
needs no rights at the hub. It is switched on where this package is installed beside Jupyter Server.
"""

import os
import ssl
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from jupyterhub.utils import make_ssl_context  # type: ignore[import-untyped]
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

_SECONDS = 10.0


def _ssl_context() -> ssl.SSLContext | None:
    """For a hub with internal SSL."""
    key, certificate, authority = (
        os.environ.get(f"JUPYTERHUB_SSL_{name}") for name in ("KEYFILE", "CERTFILE", "CLIENT_CA")
    )
    if not (key and certificate):
        return None
    context: ssl.SSLContext = make_ssl_context(key, certificate, cafile=authority)
    return context


class TimeLeftHandler(APIHandler):
    """``GET moss/time-left`` below the server's base URL: what the hub's endpoint of that name says."""

    @web.authenticated
    async def get(self) -> None:
        """Pass on the hub's answer; 404 where the hub has no such endpoint, 502 when it does not answer."""
        try:
            answer = await AsyncHTTPClient().fetch(self._question())
        except HTTPClientError as error:
            raise web.HTTPError(404 if error.code == 404 else 502, f"the hub answered {error.code}") from None
        except OSError as error:
            raise web.HTTPError(502, f"the hub does not answer: {error.strerror}") from None
        self.finish(answer.body)

    def _question(self) -> HTTPRequest:
        return HTTPRequest(
            f"{os.environ['JUPYTERHUB_API_URL']}/moss/time-left",
            headers={"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"},
            ssl_options=_ssl_context(),
            request_timeout=_SECONDS,
        )


def _load_jupyter_server_extension(server: Any) -> None:
    if "JUPYTERHUB_API_URL" in os.environ:  # no hub, no end
        server.web_app.add_handlers(".*$", [(url_path_join(server.base_url, "moss/time-left"), TimeLeftHandler)])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]
