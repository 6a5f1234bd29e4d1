"""Libraries that want a key or a password must fail when they are given a secret's shown form, never use it."""

import asyncio
import hashlib
import hmac

import httpx
import itsdangerous
import jwt
import minio
import pytest
import redis
import requests
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware

from pentad_config import Secret, SecretMisuse

SECRET = Secret("0123456789abcdef0123456789abcdef", name="APP_KEY")

if not settings.configured:
    settings.configure(SECRET_KEY="k" * 50)


def starlette_cookie(key):
    app = SessionMiddleware(Starlette(), secret_key=key)
    return app.signer.sign(b"data")


def starlette_request(key):
    async def endpoint(scope, receive, send):
        scope["session"]["user"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(SessionMiddleware(endpoint, secret_key=key))

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return (await client.get("/")).headers.get("set-cookie")

    return asyncio.run(ask())


def redis_connection(key):
    return redis.connection.Encoder("utf-8", "strict", False).encode(key)


def minio_presigned(key):
    client = minio.Minio(endpoint="localhost:1", access_key="a", secret_key=key, region="us-east-1")
    return client.presigned_get_object("bucket", "name")


CONSUMERS = {
    "starlette's SessionMiddleware": starlette_cookie,
    "a request through it": starlette_request,
    "itsdangerous": lambda key: itsdangerous.TimestampSigner(key).sign(b"x"),
    "django.core.signing": lambda key: signing.Signer(key=key).sign("x"),
    "django's salted_hmac": lambda key: salted_hmac("salt", "x", secret=key).hexdigest(),
    "hmac": lambda key: hmac.new(key, b"x", hashlib.sha256).hexdigest(),
    "pbkdf2": lambda key: hashlib.pbkdf2_hmac("sha256", key, b"salt", 1),
    "Fernet": lambda key: Fernet(key).encrypt(b"x"),
    "AES-GCM": lambda key: AESGCM(key).encrypt(b"n" * 12, b"x", None),
    "PyJWT": lambda key: jwt.encode({"user": 1}, key, algorithm="HS256"),
    "requests' basic auth": lambda key: requests.auth._basic_auth_str("user", key),
    "httpx's basic auth": lambda key: httpx.BasicAuth("user", key),
    "redis-py": redis_connection,
    "minio": minio_presigned,
}


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_the_shown_form_is_never_used_as_a_key(consumer):
    """str(secret) raises wherever it would have become a key."""
    with pytest.raises((SecretMisuse, TypeError, ValueError, redis.exceptions.DataError)):
        CONSUMERS[consumer](str(SECRET))


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_secret_itself_is_never_used_by_its_shown_form(consumer):
    """A library that calls str() on what it is given raises too."""
    with pytest.raises((SecretMisuse, TypeError, ValueError, AttributeError, redis.exceptions.DataError)):
        CONSUMERS[consumer](SECRET)


KEYS = {"hmac": "data", "pbkdf2": "data", "Fernet": None, "AES-GCM": "data"}


@pytest.mark.parametrize("consumer", [name for name in CONSUMERS if name != "Fernet"])
def test_the_revealed_value_works(consumer):
    """The refusals above are about the marker, not about the libraries."""
    value = SECRET.data() if KEYS.get(consumer) == "data" else SECRET.text()
    assert CONSUMERS[consumer](value)
