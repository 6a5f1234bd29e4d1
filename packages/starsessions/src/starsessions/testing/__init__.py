"""For tests: the contract every session store keeps, time that passes at once, cookies of ready sessions.

Requires pytest, which loads `starsessions.testing.plugin` by itself.
"""

from starsessions.extras import from_extra

with from_extra("testing"):
    from starsessions.testing.contract import SessionStoreContract
    from starsessions.testing.cookies import session_cookies
    from starsessions.testing.plugin import SessionTime

__all__ = ["SessionStoreContract", "SessionTime", "session_cookies"]
