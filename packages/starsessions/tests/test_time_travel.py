"""Every store, every kind of lifetime, every way to use a session: nobody gets in after the end."""

import pytest

from starsessions import CookieStore

pytestmark = pytest.mark.anyio

LIFETIMES = {
    "absolute": {"lifetime": 600},
    "rolling": {"lifetime": 600, "rolling": True},
    "both": {"lifetime": 600, "rolling": True, "absolute_lifetime": 1500},
    "absolute beside session-only": {"lifetime": 0, "absolute_lifetime": 1500},
}
# How long the visitor pauses between two visits, and what the visits do.
USES = {"read": (2000, "show"), "poll": (200, "show"), "poll late": (580, "show"), "modify": (200, "update?n=1")}


def deadline(created, used, lifetime, rolling=False, absolute_lifetime=None):
    """Return when a session ends that was created and last used at these times."""
    ends = [(used if rolling else created) + lifetime] if lifetime else []
    return min(ends + ([created + absolute_lifetime] if absolute_lifetime else []))


class Journey:
    """A visitor who keeps every cookie, in a world where time passes at once."""

    def __init__(self, visitor, session_time, redis_client):
        self.visitor, self._time, self._redis = visitor, session_time, redis_client
        self.now = 0.0
        self.cookies = []

    async def wait(self, seconds):
        self._time.advance(seconds)
        self.now += seconds
        async for key in self._redis.scan_iter():
            await self._redis.pexpire(key, await self._redis.pttl(key) - round(seconds * 1000))

    async def use(self, path, cookie=None):
        """Return whether the session was served."""
        answer = await self.visitor.get(f"/{path}", headers={"cookie": f"session={cookie or self.cookies[-1]}"})
        served = answer.json().get("name") == "Ada"
        if served and "session" in answer.cookies:
            self.cookies.append(answer.cookies["session"])
        self.visitor.cookies.clear()
        return served

    async def begin(self):
        answer = await self.visitor.get("/update?name=Ada")
        self.cookies.append(answer.cookies["session"])
        self.visitor.cookies.clear()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("rules", LIFETIMES)
async def test_nobody_gets_in_after_the_end(make_site, store, session_time, redis_client, rules, use):
    """A session is served until its end and never after it, with no cookie that it ever had."""
    pause, path = USES[use]
    options = LIFETIMES[rules]
    async with make_site(store, **options).visitor() as visitor:
        journey = Journey(visitor, session_time, redis_client)
        await journey.begin()
        used = 0.0
        for _ in range(12):
            await journey.wait(pause)
            end = deadline(0, used, **options)
            served = await journey.use(path)
            # Near the end, whole seconds and the time this test takes may go either way.
            assert served is (journey.now < end) or abs(journey.now - end) < 10, f"at {journey.now}, end {end}"
            if not served:
                break
            used = journey.now
        await journey.wait(max(0, deadline(0, used, **options) - journey.now) + 1)
        assert not any([await journey.use("show", cookie) for cookie in journey.cookies])


@pytest.mark.parametrize("rules", LIFETIMES)
async def test_nobody_is_thrown_out_early(make_site, store, session_time, redis_client, rules):
    """A session that is used now and then is served until its last seconds."""
    options = LIFETIMES[rules]
    async with make_site(store, **options).visitor() as visitor:
        journey = Journey(visitor, session_time, redis_client)
        await journey.begin()
        for _ in range(2):
            await journey.wait(280)
            assert await journey.use("show")
        await journey.wait(deadline(0, 560, **options) - journey.now - 20)
        assert await journey.use("show")


@pytest.mark.parametrize("rules", LIFETIMES)
async def test_clocks_that_disagree(make_site, store, session_time, rules):
    """A server whose clock is up to five minutes behind the one that stored the session serves it all the same."""
    async with make_site(store, **LIFETIMES[rules]).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        session_time.advance(-298)
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
        await visitor.get("/update?n=1")
        assert (await visitor.get("/show")).json() == {"name": "Ada", "n": "1"}


async def test_cookies_from_the_future(make_site, session_time):
    """A cookie that was signed long after now, or whose end is that of another time, is refused."""
    async with make_site(CookieStore("k" * 32), lifetime=60).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        session_time.advance(-302)
        assert (await visitor.get("/show")).json() == {}
