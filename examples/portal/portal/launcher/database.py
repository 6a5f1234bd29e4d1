"""The portal's own database on the PostgreSQL server."""

from urllib.parse import urlsplit, urlunsplit

import psycopg

from pentad_config import Secret
from pentad_services import PostgresService


def portal_database(server: PostgresService, name: str) -> Secret:
    """Address of the portal's database, made on the first start with this name."""
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if row is None:
        return Secret(server.create_database(name), name="database URL")
    return Secret(urlunsplit(urlsplit(server.url)._replace(path=f"/{name}")), name="database URL")
