"""After a soak: whether everything is there that was promised, and once."""

import hashlib
from collections.abc import Iterator
from typing import Final

from minio.error import S3Error

from portal.check.curation_steps import CurationSteps
from portal.check.key_steps import opens_event
from portal.launcher.parts import PartFailedError, poll_until
from portal.launcher.stack import Stack
from portal.soak.record import Record

_ENTRIES: Final = "SELECT count(*) FROM datasets_searchentry"
_EVENTS: Final = "SELECT count(*) FROM stored_events WHERE topic LIKE '%%:Dataset.Registered'"
_FILES: Final = "SELECT count(*) FROM datasets_datafile"


class Verdict:
    """Compares what visitors were told with what the portal holds."""

    def __init__(self, stack: Stack, record: Record) -> None:
        self.record = record
        self._steps = CurationSteps(stack, b"")

    def problems(self) -> Iterator[str]:
        """Everything that is lost, doubled or unexplained, in words; nothing if all held."""
        yield from self._feed()
        yield from self._deposits()
        yield from self._objects()
        yield from self._histories()
        yield from self.record.broken
        for name in self.record.lost_sessions:
            yield f"a session of {name} was lost"
        for request in self.record.unexplained():
            yield f"at {request.began:.1f} s, with nothing wrong, {request.what}: {request.failure}"

    def _feed(self) -> Iterator[str]:
        try:
            poll_until(lambda: self._number(_ENTRIES) >= self._number(_EVENTS), 60, "the search to catch up")
        except PartFailedError as error:
            yield str(error)
        entries, events, files = (self._number(statement) for statement in (_ENTRIES, _EVENTS, _FILES))
        if not entries == events == files:
            yield f"{events} registrations, {entries} entries of the search and {files} rows of files"

    def _deposits(self) -> Iterator[str]:
        found = dict(self._steps.query("SELECT title, count(*) FROM datasets_searchentry GROUP BY title"))
        for title in self.record.deposits:
            if not found.get(title):
                yield f"lost: {title}"
        for title, count in found.items():
            if int(count) > 1:
                yield f"{count} times: {title}"

    def _objects(self) -> Iterator[str]:
        """Every file that has a row is in the bucket, byte for byte."""
        s3 = self._steps.s3()
        for name, digest in self._steps.query("SELECT file, sha256 FROM datasets_datafile"):
            try:
                with s3.get_object(self._steps.settings.private_bucket, str(name)) as stored:
                    found = hashlib.sha256(stored.read()).hexdigest()
            except S3Error as error:
                found = str(error.code)
            if found != digest:
                yield f"the object {name} should have the digest {digest}: {found}"

    def _histories(self) -> Iterator[str]:
        """Every event and snapshot opens with the keys that there are now, whichever it was encrypted with."""
        keys = (self._steps.stack.state / "secrets" / "event_keys").read_text(encoding="utf-8")
        events = self._steps.query(
            "SELECT originator_id, state FROM stored_events UNION ALL SELECT originator_id, state FROM snapshots"
        )
        closed = [str(number) for number, state in events if not opens_event(keys, bytes(state))]
        if closed:
            yield f"{len(closed)} of {len(events)} events and snapshots open with no key: {', '.join(closed[:10])}"

    def _number(self, statement: str) -> int:
        return int(self._steps.query(statement)[0][0])
