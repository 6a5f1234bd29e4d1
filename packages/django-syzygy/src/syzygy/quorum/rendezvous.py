"""How processes that run the same `migrate` meet: one of them applies the plan, the others wait for it.

What ended well is decided by the record of applied migrations in the database; the quorum only says when to look.
"""

import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from django.core.management.base import CommandError, OutputWrapper
from django.core.management.color import Style
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from syzygy.plan import Plan, hash_plan
from syzygy.progress import MigrationKey, Progress

from .backends.base import QuorumBase
from .exceptions import MembershipLost, QuorumDissolved, QuorumError

__all__ = ("Rendezvous",)

POLL_INTERVAL = 1  # seconds
# For how many polls a leader waits, with nobody there, for followers that have not noticed its end yet.
_SOLITUDE = 5
# After how many polls those that wait for the quorum look whether somebody else has applied the plan already.
_RECORD_POLLS = 5


@dataclass
class Rendezvous:
    """One process's part in applying `plan` to `database` together with `quorum - 1` others."""

    backend: QuorumBase
    database: str
    plan: Plan
    quorum: int
    timeout: float
    verbosity: int
    stdout: OutputWrapper
    stderr: OutputWrapper
    style: Style
    # Those of the plan that are only recorded, their operations put off.
    deferred: set[MigrationKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        identity = f"{self.database}:{hash_plan(self.plan)}"
        self.pre, self.post = f"pre:{identity}", f"post:{identity}"
        self.turn = f"run:{self.database}"

    def run(self, migrate: Callable[[], None]) -> None:
        """Meet the others; call `migrate` in one process and return from all once the plan is applied.

        Raises `CommandError` if it is not; an exception of `migrate` itself comes through in the process it ran in.
        """
        try:
            if self.backend.join(namespace=self.pre, quorum=self.quorum):
                self._lead(migrate)
            else:
                self._follow()
        except QuorumError as error:
            raise CommandError(f"The quorum cannot be kept. {error}") from error
        finally:
            self._leave(self.post)
            self._leave(self.pre)

    # The process that was chosen

    def _lead(self, migrate: Callable[[], None]) -> None:
        self._say("Reached pre-migrate quorum, this process applies the planned migrations")
        try:
            self._await_turn()
            migrate()
        except BaseException:
            self._dissolve()
            raise
        finally:
            self._leave(self.turn)
        try:
            self._await_followers()
        except Exception as error:  # noqa: BLE001 - the plan is applied whatever the quorum says now
            self._warn(f"The migrations are applied, but the other processes could not be waited for: {error}")

    def _await_turn(self) -> None:
        """Let nobody migrate the database at the same time.

        Processes that start while a plan is being applied find a shorter plan and meet under another name.
        """
        waiting = False
        while self.backend.takes_turns and not self.backend.join(namespace=self.turn, quorum=1):
            self._leave(self.turn)
            if not waiting:
                self._say("Waiting for another process that is migrating this database")
            waiting = True
            time.sleep(POLL_INTERVAL)

    def _dissolve(self) -> None:
        self._warn("Encountered exception while applying migrations, dissolving quorum")
        try:
            self.backend.sever(namespace=self.post, quorum=self.quorum)
        except Exception as error:  # noqa: BLE001 - must not hide the exception of the migration
            self._warn(f"The other processes could not be told, they will time out: {error}")

    def _await_followers(self) -> None:
        self._say("Waiting for post-migrate quorum")
        started = time.monotonic()
        reached = self.backend.join(namespace=self.post, quorum=self.quorum)
        # From here on the others see that this process has done its work.
        self._leave(self.pre)
        alone_since = time.monotonic()
        while not (reached or self.backend.poll(namespace=self.post, quorum=self.quorum)):
            if self.backend.others_waiting(namespace=self.post, quorum=self.quorum) != 0:
                alone_since = time.monotonic()
            now = time.monotonic()
            if now - alone_since > _SOLITUDE * POLL_INTERVAL or now - started > self.timeout:
                self._warn("The migrations are applied, but not all other processes came to hear of it")
                return
            time.sleep(POLL_INTERVAL)
        self._say(f"Reached post-migrate quorum after {time.monotonic() - started:.2f}s")

    # The processes that wait

    def _follow(self) -> None:
        self._say(f"Waiting for pre-migrate quorum of {self.quorum} processes")
        started = time.monotonic()
        if not self._await_leader(started + self.timeout):
            self._say("Migrations applied by remote party before the quorum was reached")
            return
        self._say(f"Reached pre-migrate quorum after {time.monotonic() - started:.2f}s")
        self._say("Waiting for migrations to be applied by remote party")
        started = time.monotonic()
        self._await_outcome(started + self.timeout)
        self._say(f"Reached post-migrate quorum after {time.monotonic() - started:.2f}s")
        self._say("Migrations applied by remote party")

    def _await_leader(self, deadline: float) -> bool:
        """Wait until somebody leads; False if there is nothing left to lead to."""
        looked = time.monotonic()
        try:
            while not self.backend.poll(namespace=self.pre, quorum=self.quorum):
                now = time.monotonic()
                if now > min(deadline, looked + _RECORD_POLLS * POLL_INTERVAL):
                    looked = now
                    if self._applied():
                        return False
                if now > deadline:
                    raise CommandError(self._timeout_message())
                time.sleep(POLL_INTERVAL)
        except QuorumDissolved as error:
            if self._applied():
                return False
            raise CommandError(f"{error} Nothing was applied by this process; run migrate again.") from error
        return True

    def _timeout_message(self) -> str:
        others = self.backend.others_waiting(namespace=self.pre, quorum=self.quorum)
        present = "" if others is None else f" {others + 1} of them came."
        return (
            f"No quorum of {self.quorum} processes within {self.timeout:g} seconds.{present} Nothing was applied. "
            "All have to run the same code on the same database with the same --quorum at about the same time; "
            "start them together again, or raise --quorum-timeout."
        )

    def _await_outcome(self, deadline: float) -> None:
        """Return once the plan is applied; while the leader lives there is no deadline."""
        reported = self.backend.join(namespace=self.post, quorum=self.quorum)
        while True:
            working = self.backend.leader_alive(namespace=self.pre, quorum=self.quorum)
            reported = reported or self._outcome_reported()
            if (reported or working is False) and self._applied():
                return
            if working is False:
                raise CommandError(
                    "The process that applied the migrations ended before it was done. See its output for the "
                    "reason and run migrate again."
                )
            if working is None and time.monotonic() > deadline:
                self._expire()
                return
            time.sleep(POLL_INTERVAL)

    def _outcome_reported(self) -> bool:
        try:
            return self.backend.poll(namespace=self.post, quorum=self.quorum)
        except MembershipLost:
            return True  # there is no more to hear; what became of the plan is in the record
        except QuorumDissolved as error:
            raise CommandError(
                "Error encountered by remote party while applying migrations. See its output for the reason and "
                "run migrate again."
            ) from error

    def _expire(self) -> None:
        if not self._applied():
            raise CommandError(
                f"The process that applies the migrations did not report within {self.timeout:g} seconds. If it is "
                "still working wait for it, otherwise run migrate again; --quorum-timeout sets the limit."
            )

    # What both do

    def _applied(self) -> bool:
        connection = connections[self.database]
        connection.close_if_unusable_or_obsolete()
        applied = MigrationRecorder(connection).applied_migrations()
        waiting = set(Progress(connection).deferred())
        return all(self._done((m.app_label, m.name), backward, applied, waiting) for m, backward in self.plan)

    def _done(
        self, key: MigrationKey, backward: bool, applied: Container[MigrationKey], waiting: Container[MigrationKey]
    ) -> bool:
        if key in self.deferred:
            # A revert has undone it and left it on record, unless somebody has reverted it altogether since.
            return (key in waiting or key not in applied) if backward else key in applied
        return (key in applied) != backward and key not in waiting

    def _leave(self, namespace: str) -> None:
        try:
            self.backend.leave(namespace=namespace, quorum=self.quorum)
        except Exception as error:  # noqa: BLE001 - membership ends with the process anyway
            self._warn(f"The quorum could not be left in order: {error}")

    def _say(self, text: str) -> None:
        if self.verbosity >= 1:
            self.stdout.write(f"{text}...")

    def _warn(self, text: str) -> None:
        self.stderr.write(self.style.WARNING(text))
