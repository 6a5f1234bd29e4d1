"""Starting several services at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pentad_services.browser import find_browser
from pentad_services.guard import ProcessGuard
from pentad_services.mariadb import start_mariadb
from pentad_services.postgres import start_postgres
from pentad_services.redis import start_redis
from pentad_services.s3 import start_s3
from pentad_services.service import Service
from pentad_services.slurm import start_slurm

__all__ = ["STARTERS", "Services", "start_all"]

STARTERS: dict[str, Callable[..., Service]] = {
    "redis": start_redis,
    "postgres": start_postgres,
    "mariadb": start_mariadb,
    "s3": start_s3,
    "slurm": start_slurm,
    "browser": find_browser,
}
"""The services by name, and what starts each."""


class Services(dict[str, Service]):
    """Running services by name. As a context manager it stops them all, latest first."""

    def stop(self) -> None:
        """Stop every service, also when stopping one of them fails."""
        with ExitStack() as stack:
            for service in self.values():
                stack.callback(service.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_all(
    names: Iterable[str],
    on_progress: Callable[[str], None] | None = None,
    *,
    folder: Path | None = None,
    docker: bool = False,
    guard: ProcessGuard | None = None,
) -> Services:
    """Start services side by side.

    Parameters:
        names: of ``redis``, ``postgres``, ``mariadb``, ``s3``, ``slurm``, ``browser``.
        on_progress: called with each service's line as soon as it is ready, in the calling thread.
        folder: each keeps its data in a folder of its name below this one; without it nothing is kept.
        docker: use containers (also: PENTAD_TEST_DOCKER=1).
        guard: the guard they are started under; by default one for each.

    If one cannot be had, those that have started are stopped and its error is raised.
    """
    wanted = list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in STARTERS]:
        raise ValueError(f"unknown service {', '.join(unknown)}; there are {', '.join(STARTERS)}")
    with ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
        starting = {
            pool.submit(STARTERS[name], folder / name if folder else None, docker, guard=guard): name for name in wanted
        }
        ready, failures = Services(), []
        for done in as_completed(starting):
            if problem := done.exception():
                failures.append(problem)
                continue
            service = ready[starting[done]] = done.result()
            if on_progress:
                on_progress(service.line)
    if failures:
        ready.stop()
        raise failures[0]
    return Services((name, ready[name]) for name in wanted)
