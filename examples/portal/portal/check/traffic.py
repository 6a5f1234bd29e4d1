"""Visitors who go on while a release is replaced: each answer is counted, by the release that gave it."""

import itertools
import threading
from collections import Counter
from typing import Final

import httpx

from portal.check.browser import Browser
from portal.check.steps import PATIENCE, require
from portal.settings import RELEASE_HEADER

_PAUSE: Final = 0.2  # seconds between two requests of a visitor
_WRITES: Final = 5  # every fifth round one of them changes something


class Traffic:
    """Members at their desk, where what they deposited has to be listed; the first of them also describes it anew."""

    def __init__(self, member: Browser, dataset_id: str, visitors: int) -> None:
        self._member = member
        self._dataset_id = dataset_id
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=[number], daemon=True) for number in range(visitors)]
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []

    def start(self) -> None:
        """Begin to visit."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> str:
        """Have everybody end; returns what came of it. The step fails if a request did."""
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        require(not self.failures, f"{len(self.failures)} requests failed: {self.failures[:5]}")
        by_release = ", ".join(f"{self.answers[release]} by release {release}" for release in sorted(self.answers))
        return f"{self.answers.total()} requests answered, {by_release}, 0 failed"

    def _visit(self, number: int) -> None:
        with Browser(self._member.public_url) as browser:
            browser.client.cookies.update(self._member.client.cookies)
            browser.client.event_hooks["response"].append(self._note)
            for turn in itertools.count():
                if self._over.wait(_PAUSE):
                    return
                self._play(browser, writes=number == 0 and turn % _WRITES == 0)

    def _play(self, browser: Browser, *, writes: bool) -> None:
        try:
            require(self._dataset_id in browser.get("/catalogue/").text, "the desk lacks the data set")
            if writes:
                self._describe(browser)
        except Exception as error:  # noqa: BLE001 - whatever it is, the visitor did not get what was asked for
            self.failures.append(repr(error))

    def _describe(self, browser: Browser) -> None:
        words = {"summary": "Counted while a release was replaced.", "keywords": "nests", "licence": "CC0-1.0"}
        browser.submit(f"/catalogue/{self._dataset_id}/describe", **words, status=302)

    def _note(self, answer: httpx.Response) -> None:
        with self._lock:
            self.answers[answer.headers.get(RELEASE_HEADER, "?")] += 1
