"""Server-side sessions for Starlette and FastAPI."""

from starsessions.exceptions import ImproperlyConfigured, SessionError, SessionNotLoaded
from starsessions.middleware import SessionAutoloadMiddleware, SessionMiddleware
from starsessions.serializers import JsonSerializer, Serializer
from starsessions.session import (
    generate_session_id,
    get_session_handler,
    get_session_id,
    get_session_metadata,
    get_session_remaining_seconds,
    is_loaded,
    load_session,
    regenerate_session_id,
)
from starsessions.stores import CookieStore, InMemoryStore, SessionStore

__all__ = [
    "CookieStore",
    "ImproperlyConfigured",
    "InMemoryStore",
    "JsonSerializer",
    "Serializer",
    "SessionAutoloadMiddleware",
    "SessionError",
    "SessionMiddleware",
    "SessionNotLoaded",
    "SessionStore",
    "generate_session_id",
    "get_session_handler",
    "get_session_id",
    "get_session_metadata",
    "get_session_remaining_seconds",
    "is_loaded",
    "load_session",
    "regenerate_session_id",
]
