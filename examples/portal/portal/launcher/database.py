"""The portal's own database on the PostgreSQL server."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from pentad_services import PostgresService

NAME: Final = "tern_point"


def portal_database(server: PostgresService) -> str:
    """Address of the portal's database, made on the first start of a server that keeps its data."""
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
    if row is None:
        return server.create_database(NAME)
    return urlunsplit(urlsplit(server.url)._replace(path=f"/{NAME}"))
