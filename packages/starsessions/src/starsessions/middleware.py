"""The ASGI middleware that gives every request and WebSocket a session."""

from __future__ import annotations

import typing
import warnings

from starlette.websockets import WebSocketDisconnect

from starsessions.autoload import SessionAutoloadMiddleware
from starsessions.checked import CheckedSession
from starsessions.commit import commit_late, end
from starsessions.cookies import Cookie
from starsessions.encryptors import NoopEncryptor
from starsessions.exceptions import ImproperlyConfigured, SessionStoreUnavailable
from starsessions.failures import DEFAULT_TIMEOUT, FailurePolicy, StoreCalls
from starsessions.guard import LoadGuard, Session
from starsessions.lifetime import Lifetime, parse_absolute_lifetime, parse_lifetime
from starsessions.records import Records
from starsessions.scope_handler import ScopeHandler
from starsessions.serializers import JsonSerializer
from starsessions.stores import InMemoryStore
from starsessions.unavailable import send_unavailable

if typing.TYPE_CHECKING:
    import datetime as dt

    from starlette.types import ASGIApp, Receive, Scope, Send

    from starsessions.encryptors import Encryptor
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore

T = typing.TypeVar("T")

__all__ = ["LoadGuard", "SessionAutoloadMiddleware", "SessionMiddleware"]


class SessionMiddleware:
    """Give every request and WebSocket a session.

    store: where sessions are kept; without one they stay in this process, with a warning.
    lifetime: seconds or a timedelta until the session ends; 0 leaves that to the browser.
    rolling: count the lifetime from the last use instead of from the creation.
    cookie_name, cookie_same_site, cookie_https_only, cookie_domain, cookie_path, cookie_partitioned: the cookie's
    attributes, checked here. By default the path is the one the application is mounted at.
    serializer: how data becomes bytes; JSON by default.
    encryptor: how stored data is kept secret; by default it is not.
    strict_ids: give a new id to a session whose id the store does not know, so that nobody can choose the id
    that a visitor will sign in with. Switch it off only if ids come from elsewhere before their data does.
    absolute_lifetime: seconds or a timedelta after its creation when a session ends however often it is used.
    store_timeout: how many seconds the store may take for one operation; None for as long as it likes.
    on_store_failure: what to do when the store fails or takes too long. "raise" passes the store's exception on
    (SessionStoreTimeout if it took too long); "unavailable" answers 503 with Retry-After; "anonymous" goes on with
    an empty session that is not stored. A response whose session did not change needs no store and never fails.
    save_on_server_error: store the session with responses of status 500 and above.
    no_store: send `Cache-Control: no-store` with every response that used its session.
    check_values: raise SessionNotSerializable where a value is put into the session that the serializer cannot store,
    or would give back as something else, such as a tuple in JSON; without it the former is raised when the session is
    stored. It costs as much as storing that value.

    Raises ImproperlyConfigured, or its kinds InvalidCookieSettings and InvalidLifetime, for options that cannot work.
    """

    def __init__(
        self,
        app: ASGIApp,
        store: SessionStore | None = None,
        lifetime: int | dt.timedelta = 0,
        rolling: bool = False,
        cookie_name: str = "session",
        cookie_same_site: typing.Literal["lax", "strict", "none"] = "lax",
        cookie_https_only: bool = True,
        cookie_domain: str | None = None,
        cookie_path: str | None = None,
        serializer: Serializer | None = None,
        encryptor: Encryptor | None = None,
        *,
        strict_ids: bool = True,
        absolute_lifetime: int | dt.timedelta | None = None,
        store_timeout: float | None = DEFAULT_TIMEOUT,
        on_store_failure: FailurePolicy = "raise",
        save_on_server_error: bool = True,
        no_store: bool = False,
        cookie_partitioned: bool = False,
        check_values: bool = False,
    ) -> None:
        self.app = app
        store = _default_store() if store is None else store
        self.store = _checked("store", store, "read", "write", "remove", "traits")
        self.lifetime = parse_lifetime(lifetime)
        self.rolling = rolling
        self.cookie_name = cookie_name
        self.cookie_domain = cookie_domain
        self.cookie_path = cookie_path
        self.serializer = _checked("serializer", serializer or JsonSerializer(), "serialize", "deserialize")
        ciphers = ("encrypt_for", "decrypt_for") if hasattr(encryptor, "encrypt_for") else ("encrypt", "decrypt")
        self.encryptor = _checked("encryptor", encryptor or NoopEncryptor(), *ciphers)
        self.strict_ids = strict_ids
        self.save_on_server_error = save_on_server_error
        self.no_store = no_store
        self.cookie = Cookie(
            cookie_name, cookie_same_site, cookie_https_only, cookie_domain, cookie_path, cookie_partitioned
        )
        self.security_flags = self.cookie.security_flags
        rules = Lifetime(self.lifetime, rolling, parse_absolute_lifetime(absolute_lifetime))
        in_process = self.store.traits.in_process
        calls = StoreCalls(in_process=in_process, timeout=store_timeout, policy=on_store_failure)
        kind = CheckedSession if check_values else Session
        self.records = Records(self.store, self.serializer, self.encryptor, rules, calls, strict_ids, kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; anything but HTTP and WebSockets passes through."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":  # noqa: PLR1714  quicker than looking it up in a set
            await self.app(scope, receive, send)
            return
        handler = ScopeHandler()
        send_with_session = handler.enter(self, scope, send)
        try:
            await self.app(scope, receive, send_with_session)
        except WebSocketDisconnect:  # the usual end of a conversation, not a failure of the application
            await commit_late(handler)
            raise
        except SessionStoreUnavailable as error:
            if handler.response_started or self.records.calls.policy != "unavailable":
                raise
            await send_unavailable(scope, receive, send, error)
            return
        if kind == "websocket":
            await commit_late(handler)
        if handler.is_used:
            end(handler, scope)
        else:
            handler.leave()


def _checked(option: str, value: T, *attributes: str) -> T:
    """Return the value of an option. Raises ImproperlyConfigured for what cannot be one."""
    wanted = f"{option}: an object with {', '.join(attributes)} is needed"
    if isinstance(value, type):
        raise ImproperlyConfigured(f"{wanted}, not its class: write {value.__name__}(...).")
    if not all(hasattr(value, attribute) for attribute in attributes):
        # It is not shown itself: somebody may have given a key, or a URL with a password.
        raise ImproperlyConfigured(f"{wanted}, not a {type(value).__name__}.")
    return value


def _default_store() -> InMemoryStore:
    warnings.warn(
        "SessionMiddleware got no store: sessions stay in the memory of this process, are lost when it ends, and "
        "are not shared with other workers. Pass store=RedisStore(...), CookieStore(...) or InMemoryStore().",
        UserWarning,
        stacklevel=3,
    )
    return InMemoryStore()
