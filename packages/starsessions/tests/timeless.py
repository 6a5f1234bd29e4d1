"""An event loop for tests of time limits."""

import asyncio
import selectors


class TimelessLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while it has nothing to do but to wait; then it does not wait.

    What a request takes by this time is what it waits for, however busy or slow the machine is.
    """

    def __init__(self):
        super().__init__(_Selector(self))
        self.passed = 0.0

    def time(self):
        return self.passed


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        # What is on its way through this machine's own network arrives before time passes.
        events = super().select(0 if timeout == 0 else 0.002)
        if events or timeout == 0:
            return events
        if timeout is None:
            return super().select()
        self._loop.passed += timeout
        return []
