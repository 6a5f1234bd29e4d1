"""Steps of a visit: each says what it shows, and fails with a reason."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import httpx

PATIENCE: Final = 300.0  # seconds for what a machine does in one, or in thirty if it is slow and has much else to do


class StepFailedError(AssertionError):
    """Something the visit relies on did not hold."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is shown, and the function that shows it; what that returns is printed as evidence."""

    title: str
    play: Callable[[], str]


def require(holds: object, reason: str) -> None:
    """Raise StepFailedError with the reason unless `holds`."""
    if not holds:
        raise StepFailedError(reason)


def expect_status(response: httpx.Response, status: int) -> httpx.Response:
    """The response, if it has this status; otherwise the step fails and shows the beginning of its text."""
    if response.status_code != status:
        request = f"{response.request.method} {response.request.url.copy_with(query=None)}"
        text = " ".join(response.text.split())[:300]
        raise StepFailedError(f"{request} answered {response.status_code} instead of {status}: {text}")
    return response


def play(steps: Iterable[Step]) -> bool:
    """Play the steps until one fails, and print a line for each; True if all held."""
    for step in steps:
        began = time.monotonic()
        try:
            evidence = step.play()
        except Exception as error:  # noqa: BLE001 - any failure is the step's, and is shown
            print(f"FAILED  {step.title}: {type(error).__name__}: {error}", flush=True)
            return False
        print(f"ok      {step.title}: {evidence} ({time.monotonic() - began:.1f} s)", flush=True)
    return True
