"""A session about to be stored, and what becomes of it when someone else has stored it first."""

from __future__ import annotations

import dataclasses
import typing

from starsessions.exceptions import SessionGone
from starsessions.merge import changed_keys, merge

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starsessions.document import Document
    from starsessions.serializers import Serializer
    from starsessions.types import SessionMetadata

__all__ = ["Draft", "Update"]


@dataclasses.dataclass(slots=True)
class Draft:
    """What a request has made of a session.

    `session` becomes the record of `session_id`, to live for `ttl` seconds. `before` is what was read, or None,
    under `old_id`, which is None for a session that was never stored. `wiped` says that the application has
    thrown away what was there before, whatever it was. `user_agent` is that of the request's browser.
    """

    session: dict[str, typing.Any]
    metadata: SessionMetadata
    ttl: int
    session_id: str
    old_id: str | None = None
    before: Document | None = None
    wiped: bool = False
    user_agent: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep: no data, and nobody signed in."""
        return not self.session and "user" not in self.metadata

    def rebase(self, theirs: Document, serializer: Serializer) -> None:
        """Make this a change of `theirs`, which is there by now. Raises SessionGone if the user was signed out."""
        self._check_owner(theirs)
        if not self.wiped:
            base = self.before.untouched(serializer) if self.before else {}
            merge(self.session, base, theirs.data, serializer)
        self.before = theirs

    def _check_owner(self, theirs: Document) -> None:
        # An emptied session may go on under the same id, without its user or with another one. What this request
        # did on behalf of the first user must neither sign them in again nor end up with whoever comes next.
        owner = self.before.owner if self.before else None
        if owner not in {None, theirs.owner} and self.metadata.get("user") == owner:
            raise SessionGone("The user of the session was signed out by another request.")


@dataclasses.dataclass(slots=True)
class Update(Draft):
    """One change of what is stored, made anew whenever that has changed."""

    change: Callable[[dict[str, typing.Any]], typing.Any] = dict
    result: typing.Any = None
    unchanged: dict[str, typing.Any] = dataclasses.field(default_factory=dict)

    def rebase(self, theirs: Document, serializer: Serializer) -> None:
        """Make the change on `theirs`. Raises SessionGone if its user was signed out."""
        self._check_owner(theirs)
        self.before = theirs
        self.begin(theirs, serializer)

    def begin(self, document: Document, serializer: Serializer) -> None:
        """Make the change on what is in a document."""
        self.session, self.unchanged = document.untouched(serializer), document.untouched(serializer)
        self.result = self.change(self.session)

    def show_in(self, session: dict[str, typing.Any], base: dict[str, typing.Any], serializer: Serializer) -> None:
        """Bring what was stored into the session that a request works on and that began as `base`."""
        for key in changed_keys(self.unchanged, self.session, serializer):
            if key in self.session:
                session[key] = self.session[key]
            else:
                session.pop(key, None)
        merge(session, base, self.session, serializer)
