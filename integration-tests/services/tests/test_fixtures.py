"""The fixtures give real servers."""

import io
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from minio import Minio


def test_redis_url_is_an_empty_database(redis_service, redis_url):
    """`redis_url` names a database of the shared server with no key in it."""
    client = redis.Redis.from_url(redis_url)
    assert client.dbsize() == 0
    client.set("left", "over")
    assert urlsplit(redis_url).port == urlsplit(redis_service.url).port


def test_redis_url_never_touches_database_zero(redis_service, redis_url):
    """What a session keeps in database 0 survives every use of `redis_url`."""
    shared = redis.Redis.from_url(redis_service.url)
    shared.set("kept", "yes")
    for _ in range(16):
        redis_service.empty_database()
    assert shared.get("kept") == b"yes"


def test_postgres_database_is_fresh(postgres_database):
    """`postgres_database` names a database without a table, in which tables can be made."""
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)
        connection.execute("create table made (id int)")


def test_postgres_database_can_be_dropped_while_in_use(postgres_service):
    """Dropping a database closes the connections to it; dropping it again is no error."""
    url = postgres_service.create_database()
    connection = psycopg.connect(url)
    connection.execute("select 1")
    postgres_service.drop_database(url)
    postgres_service.drop_database(url)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    connection.close()
    with psycopg.connect(postgres_service.url) as other:
        name = urlsplit(url).path[1:]
        assert other.execute("select count(*) from pg_database where datname = %s", [name]).fetchone() == (0,)


def test_postgres_service_does_not_drop_its_own_database(postgres_service):
    """`drop_database` refuses the maintenance database."""
    with pytest.raises(ValueError, match="create_database"):
        postgres_service.drop_database(postgres_service.url)


def test_s3_bucket_takes_objects_and_goes_with_them(s3_service, s3_bucket):
    """`s3_bucket` takes objects of any name, and dropping it removes them."""
    client = Minio(
        s3_service.endpoint,
        s3_service.access_key,
        s3_service.secret_key,
        secure=s3_service.secure,
        region=s3_service.region,
    )
    for key in ("a b.txt", "ü/+#?&=.txt", "deep/er/x"):
        client.put_object(s3_bucket, key, io.BytesIO(b"x"), 1)
    assert sorted(o.object_name for o in client.list_objects(s3_bucket, recursive=True)) == [
        "a b.txt",
        "deep/er/x",
        "ü/+#?&=.txt",
    ]
    s3_service.drop_bucket(s3_bucket)
    assert not client.bucket_exists(s3_bucket)
