"""Where sessions are kept. `RedisStore` is in `starsessions.stores.redis`, so that redis-py stays optional."""

from starsessions.stores.base import SessionStore, StoreTraits
from starsessions.stores.cookie import CookieStore
from starsessions.stores.memory import InMemoryStore
from starsessions.stores.user_index import UserIndex, UserSession

__all__ = ["CookieStore", "InMemoryStore", "SessionStore", "StoreTraits", "UserIndex", "UserSession"]
