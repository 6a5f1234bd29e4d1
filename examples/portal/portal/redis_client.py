"""The Redis client of the front door and the notebook hub."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from pentad_config import Secret


def redis_client(url: Secret) -> Redis:
    """A client that asks once more when a connection has died with a server that was restarted since."""
    client: Redis = Redis.from_url(
        str(url.reveal()), retry=Retry(NoBackoff(), 1), retry_on_error=[RedisConnectionError]
    )
    return client
