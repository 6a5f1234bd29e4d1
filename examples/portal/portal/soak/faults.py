"""What is done to the portal during a soak, one after the other."""

import threading
from collections.abc import Callable, Iterator
from itertools import cycle

import httpx

from portal.launcher.key_files import put_new_key_on_top
from portal.launcher.parts import poll_until
from portal.launcher.stack import Stack
from portal.soak.record import Fault, Record

_AWAY = 3.0  # seconds for which a service is away
_QUIET = 8.0  # seconds between two faults: failures in them have no excuse
_SERVICES = ("redis", "postgres", "s3", "slurm")
_KEYS = ("session_keys", "event_keys", "signing_keys", "django_keys")  # one after each service


class Faults(threading.Thread):
    """Kills each service in turn and starts it again, and rotates the keys that parts sign and encrypt with.

    A new key is put on top of its file; the older ones stay below it, as sessions, links and events hold.
    """

    def __init__(self, stack: Stack, record: Record, over: threading.Event) -> None:
        super().__init__(name="faults", daemon=True)
        self.stack = stack
        self.record = record
        self.over = over
        self.problem: Exception | None = None

    def run(self) -> None:
        """Play faults until it is over; the last one is played to its end."""
        try:
            for what, play in cycle(self._all()):
                if self.over.wait(_QUIET):
                    return
                self._play(what, play)
        except Exception as error:  # noqa: BLE001 - the soak reports it
            self.problem = error
            self.over.set()

    def _all(self) -> list[tuple[str, Callable[[], None]]]:
        kills = [(f"{name} killed", lambda name=name: self._kill(name)) for name in _SERVICES]
        keys = [(f"{name} rotated", lambda name=name: self._rotate(name)) for name in _KEYS]
        return [fault for pair in zip(kills, keys, strict=True) for fault in pair]

    def _play(self, what: str, play: Callable[[], None]) -> None:
        began = self.record.now()
        play()
        poll_until(self._all_work, 90, f"all parts to work again after: {what}")
        self.record.faults.append(Fault(began, self.record.now(), what))

    def _kill(self, name: str) -> None:
        service = self.stack.services[name]
        service.kill()
        threading.Event().wait(_AWAY)
        service.start_again()

    def _rotate(self, name: str) -> None:
        put_new_key_on_top(self.stack.state / "secrets", name)

    def _all_work(self) -> bool:
        """What the status page says, and that a session can be opened: the front door gives a failed store a rest."""
        site = self.stack.settings.public_url
        try:
            return all(
                httpx.get(f"{site}{path}", timeout=10).status_code == 200 for path in ("/status.json", "/sign-in")
            )
        except httpx.HTTPError:
            return False


def shown(faults: list[Fault]) -> Iterator[str]:
    """A line for each kind of fault: how often, and how long until all parts worked again."""
    for what in dict.fromkeys(fault.what for fault in faults):
        seconds = [fault.ended - fault.began for fault in faults if fault.what == what]
        yield f"{what}: {len(seconds)} times, all parts worked again after {max(seconds):.1f} s at most"
