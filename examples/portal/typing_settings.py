"""The catalogue's settings for the type checker: nothing runs with these addresses and keys."""

import os

os.environ |= {
    "PORTAL_PUBLIC_URL": "http://portal.invalid",
    "PORTAL_HUB_URL": "http://hub.invalid",
    "PORTAL_STATE": "/nonexistent",
    "PORTAL_REDIS_URL": "redis://redis.invalid/0",
    "PORTAL_SIGNING_KEYS": "only-for-the-type-checker-only-for-it",
    "PORTAL_CATALOGUE_URL": "http://catalogue.invalid",
    "PORTAL_S3_ENDPOINT": "s3.invalid:443",
    "PORTAL_DATABASE_URL": "postgresql://database.invalid/portal",
    "PORTAL_EVENT_KEYS": "b25seS1mb3ItdGhlLXR5cGUtY2hlY2tlci1vbmx5LTE=",
    "PORTAL_DJANGO_KEYS": "only-for-the-type-checker-only-for-it-as-well-000000",
    "PORTAL_S3_ACCESS_KEY": "only-for-the-type-checker",
    "PORTAL_S3_SECRET_KEY": "only-for-the-type-checker",
}

from portal.catalogue.settings import *  # noqa: F403  # the environment first
