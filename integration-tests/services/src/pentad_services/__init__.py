"""Finds or starts the services that the tests and the portal use.

``with start_redis() as redis: ...`` gives a running server, whatever this machine has: an address
from the environment, a container, an installed program, or a program from a wheel. See README.md.
"""

from pentad_services.browser import BrowserService, find_browser
from pentad_services.errors import ServiceEnded, StartFailed, Unavailable
from pentad_services.guard import GuardedProcess, ProcessGuard
from pentad_services.mariadb import MariaDBService, start_mariadb
from pentad_services.postgres import PostgresService, start_postgres
from pentad_services.redis import RedisService, start_redis
from pentad_services.s3 import S3Service, start_s3
from pentad_services.service import Service
from pentad_services.slurm import SlurmService, start_slurm
from pentad_services.starting import Services, start_all

__all__ = [
    "BrowserService",
    "GuardedProcess",
    "MariaDBService",
    "PostgresService",
    "ProcessGuard",
    "RedisService",
    "S3Service",
    "Service",
    "ServiceEnded",
    "Services",
    "SlurmService",
    "StartFailed",
    "Unavailable",
    "find_browser",
    "start_all",
    "start_mariadb",
    "start_postgres",
    "start_redis",
    "start_s3",
    "start_slurm",
]
