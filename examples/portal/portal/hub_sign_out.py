"""The front door's word to the notebook hub that somebody's browsers were signed out."""

from redis.asyncio import Redis

from portal.settings import SESSION_SECONDS


async def sign_out_of_hub(redis: Redis, name: str) -> None:
    """Leave word for the hub; it holds as long as a cookie of the hub's could."""
    await redis.set(_key(name), 1, ex=SESSION_SECONDS)


async def was_signed_out(redis: Redis, name: str) -> bool:
    """Whether there is such a word for this person; it is taken away by asking."""
    return await redis.getdel(_key(name)) is not None


def _key(name: str) -> str:
    return f"portal.hub_sign_out.{name}"
