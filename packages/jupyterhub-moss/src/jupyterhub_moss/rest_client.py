"""Requests to slurmrestd: one address, a deadline for each, and errors in Slurm's words."""

import json
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from jupyterhub_moss.backend import NoAnswerError
from jupyterhub_moss.slurm_tokens import Credentials
from pentad_config import ConfigError, Problem

#: Versions of the interface that this package speaks, in the order in which they are tried: first those that were
#: tried with a real slurmrestd (22.05 and 24.11), then their neighbours.
VERSIONS = ("v0.0.42", "v0.0.41", "v0.0.40", "v0.0.38", "v0.0.43", "v0.0.44", "v0.0.39")
# the answer about all jobs of a large cluster
_LARGEST_ANSWER = 512 * 1024 * 1024
#: Slurm's numbers for a job that it does not know, and for one that has ended already.
UNKNOWN_JOB, ENDED_JOB = 2017, 2021
# Slurm's own numbers; those below are the operating system's, and slurmrestd's way to say that Slurm was not reached:
# 24.11 says 1, "Operation not permitted", when slurmctld was silent about a cancellation, which it may carry out later
_FIRST_NUMBER = 1000
#: The accounting database's number for an empty list.
NOTHING_FOUND = 9003
# hidden partitions and all users
_ALL = "?flags=ALL"
_BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND = 400, 401, 404


class RestError(RuntimeError):
    """Slurm refused; the text has its reasons, and `numbers` its error numbers."""

    def __init__(self, message: str, numbers: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.numbers = numbers


class UnknownVersionError(NoAnswerError):
    """This slurmrestd does not have that version of its interface."""


class Endpoint(NamedTuple):
    """Where slurmrestd listens: the beginning of a URL, or a unix socket, and how it is known to be the right one."""

    base: str
    socket: str = ""
    ca: str = ""
    """File of the certificates of authorities that are trusted; empty for those of the system."""

    @property
    def is_open_to_listeners(self) -> bool:
        """Whether what is sent there crosses a network in clear."""
        url = urlsplit(self.base)
        return url.scheme == "http" and not self.socket and not _is_this_machine(url.hostname or "")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint(address: str, ca: str = "") -> Endpoint:
    """The endpoint that an administrator wrote as ``http(s)://host:port[/prefix]`` or ``unix:/path``."""
    if address.startswith("unix:/"):
        return Endpoint("http://localhost", address.removeprefix("unix:"))
    url = urlsplit(address)
    if url.scheme not in {"http", "https"} or not url.hostname:
        problem = "is not an address of slurmrestd: write https://host:6820 or unix:/path/of/socket."
    elif url.username or url.password or url.query or url.fragment:
        problem = "may have no user, password, query or fragment: credentials belong into slurm_token."
    else:
        return Endpoint(address.rstrip("/"), ca=ca)
    raise ConfigError([Problem("c.MOSlurmSpawner.slurm_rest_url", problem)])


class _SocketResolver(Resolver):
    """Leads every name to one unix socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(self, host: str, port: int, family: int = 0) -> list[tuple[int, Any]]:  # noqa: ARG002
        return [(socket.AF_UNIX, self._path)]


#: The version that each slurmrestd was found to speak.
_spoken: dict[Endpoint, str] = {}


class RestClient:
    """Asks one slurmrestd. `version` is that of its interface, found out if empty; `timeout` in seconds."""

    def __init__(
        self, where: Endpoint, credentials: Credentials, log: Any, *, version: str = "", timeout: float = 30
    ) -> None:
        self._where, self._credentials, self._log = where, credentials, log
        self._version, self._timeout = version, timeout

    async def version(self) -> str:
        """The version of the interface, as ``v0.0.40``."""
        if self._version:
            return self._version
        if self._where not in _spoken:
            _spoken[self._where] = await self._find_version()
        return _spoken[self._where]

    async def _find_version(self) -> str:
        for version in VERSIONS:
            try:
                await self._fetch("GET", f"/slurm/{version}/ping", None)
            except UnknownVersionError:
                continue
            except RestError as error:
                if not error.numbers:  # it was not Slurm that refused, but slurmrestd, before it looked at the version
                    raise
            return version
        raise NoAnswerError(f"slurmrestd speaks none of the versions {', '.join(sorted(VERSIONS))} of its interface")

    async def get(self, *path: str, account: str | None = None) -> dict[str, Any]:
        """What slurmrestd says of a thing; `RestError` if it says that something is wrong."""
        answer: dict[str, Any] = await self._request("GET", path, account)
        return answer

    async def get_accounting(self, thing: str, *, account: str | None = None) -> dict[str, Any] | None:
        """What the accounting database has of a thing; None from a slurmrestd that does not offer the database."""
        try:
            return await self._fetch("GET", f"/slurmdb/{await self.version()}/{thing}", account)
        except UnknownVersionError:
            return None

    async def delete(self, *path: str, account: str) -> None:
        """End a thing."""
        await self._request("DELETE", path, account)

    async def post(self, *path: str, account: str, body: Mapping[str, Any], result: str) -> Any:
        """Hand something in; what the answer has under `result`, also if it comes with a remark in the place of errors.

        Slurm reports as an error why an accepted job cannot start yet.
        """
        return await self._request("POST", path, account, body=body, result=result)

    async def _request(
        self,
        method: str,
        path: tuple[str, ...],
        account: str | None,
        *,
        body: Mapping[str, Any] | None = None,
        result: str = "",
    ) -> Any:
        parts = "/".join(quote(part, safe="") for part in path)
        version = await self.version()
        # older versions show everything unasked, and know no flags. Of nodes all versions do, with the GRES in use, for
        # which it would take two flags: of repeated ones some slurmrestd hear the last only, and lists no one accepts.
        flags = _ALL if method == "GET" and path[0] != "nodes" and speaks_structures(version) else ""
        url = f"/slurm/{version}/{parts}{flags}"
        try:
            answer = await self._fetch(method, url, account, body, needed=result)
        except UnknownVersionError:
            _spoken.pop(self._where, None)  # Slurm was replaced by another release: it is asked again next time
            raise
        return answer[result] if result else answer

    async def _fetch(
        self, method: str, path: str, account: str | None, body: Mapping[str, Any] | None = None, *, needed: str = ""
    ) -> dict[str, Any]:
        request = HTTPRequest(
            f"{self._where.base}{path}",
            method,
            headers={"Accept": "application/json", "Content-Type": "application/json", **self._headers(account)},
            body=None if body is None else json.dumps(body),
            connect_timeout=self._timeout,
            request_timeout=self._timeout,
            follow_redirects=False,
            ca_certs=self._where.ca or None,
        )
        return _read(await self._send(request), needed)

    def _headers(self, account: str | None) -> dict[str, str]:
        try:
            return self._credentials.headers(account)
        except ConfigError as error:
            self._log.error("slurmrestd cannot be asked: %s", error)
            raise RestError("the hub has no token that it could show to Slurm; ask your administrator") from None

    async def _send(self, request: HTTPRequest) -> HTTPResponse:
        resolver = _SocketResolver(self._where.socket) if self._where.socket else None
        # this one whatever the hub uses elsewhere: it takes no proxy from the environment
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=resolver, max_body_size=_LARGEST_ANSWER)
        try:
            return await client.fetch(request, raise_error=False)
        except (HTTPClientError, OSError) as error:
            raise NoAnswerError(f"slurmrestd does not answer: {str(error) or type(error).__name__}") from None
        finally:
            client.close()


def speaks_structures(version: str) -> bool:
    """Whether numbers are structures and states lists in this version: since v0.0.39."""
    return int(version.rpartition(".")[2]) >= 39


def _read(response: HTTPResponse, needed: str) -> dict[str, Any]:
    """The answer, if nothing was wrong or it has what is needed."""
    try:
        answer = json.loads(response.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _wordless(response.code)
    if needed and answer.get(needed):
        return answer
    if errors := _errors(answer):
        raise _refusal(errors)
    if needed or response.code >= _BAD_REQUEST:
        raise NoAnswerError(f"slurmrestd answered with status {response.code} and said neither yes nor why not")
    return answer


def _errors(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was wrong with the request, and with a job to be ended: since v0.0.42 that stands beside no errors."""
    errors = _objects(answer.get("errors"))
    for job in _objects(answer.get("status")):
        error = job.get("error")
        if isinstance(error, dict) and error.get("code"):
            errors.append({"error_number": error["code"], "error": error.get("message") or error.get("string")})
    return errors


def _objects(value: object) -> list[dict[str, Any]]:
    # a proxy's answer may have anything under these names
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _wordless(code: int) -> Exception:
    # what it says is not repeated: it may come from a proxy, which may show what it was sent
    if code == _UNAUTHORIZED:
        return RestError("slurmrestd does not accept the hub's token (401); ask your administrator")
    if code == _NOT_FOUND:
        return UnknownVersionError("slurmrestd does not know this address (404): another version of its interface?")
    return NoAnswerError(f"slurmrestd answered with status {code} and no JSON")


def _refusal(errors: list[dict[str, Any]]) -> Exception:
    numbers = tuple(number for error in errors if isinstance(number := _number(error), int) and number >= _FIRST_NUMBER)
    texts = dict.fromkeys(str(text) for error in errors if (text := _words(error)))
    message = "; ".join(texts) or "no reason was given"
    # -1, too, is what slurmrestd says of everything that went wrong on its way to Slurm
    return RestError(message, numbers) if numbers else NoAnswerError(f"slurmrestd has no answer: {message}")


def _number(error: Mapping[str, Any]) -> Any:
    return error.get("error_number", error.get("error_code"))


def _words(error: Mapping[str, Any]) -> Any:
    text, description = error.get("error"), error.get("description")
    return description if not text or text == "Unspecified error" else text
