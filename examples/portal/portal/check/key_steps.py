"""The visit's view on encryption: new keys for sessions and events while everything runs."""

from base64 import b64decode
from typing import Final

from cryptography.exceptions import InvalidTag
from eventsourcing.utils import Environment

from eventsourcing_django.cipher import KeyRingCipher
from portal.check.curation_steps import STEP_HEADING, CurationSteps
from portal.check.steps import PATIENCE, require
from portal.launcher.key_files import put_new_key_on_top
from portal.launcher.parts import poll_until
from portal.settings import SESSION_PREFIX
from starsessions.encryptors import AESGCMEncryptor

_DESCRIPTION: Final = {"summary": "Counted while keys were new.", "keywords": "nests", "licence": "CC0-1.0"}


class KeySteps:
    """New keys for sessions and events; what older keys encrypted stays readable."""

    def __init__(self, curation: CurationSteps) -> None:
        self.curation = curation
        self.ada = curation.ada
        self.dataset_id = ""

    def new_keys(self) -> str:
        """A key on top of both rings: Ada stays signed in, and old and new events make one history."""
        self.dataset_id = self.curation.deposit_small("Nest counts under an older key")
        secrets, old_id = self.curation.stack.state / "secrets", self.ada.session_id
        session_key, event_key = (put_new_key_on_top(secrets, name) for name in ("session_keys", "event_keys"))
        poll_until(
            lambda: self._session_is_under(session_key), PATIENCE, "the session to be encrypted with the new key"
        )
        require(self.ada.session_id == old_id, "the session got another id by a new key")
        poll_until(lambda: self._describe_under(event_key), PATIENCE, "an event that is encrypted with the new key")
        states = self.curation.event_states(self.dataset_id)
        newer = [opens_event(event_key, state) for state in states]
        require(newer == sorted(newer) and not newer[0], "the first event is not under the older key any more")
        shown = self.ada.get(f"/catalogue/{self.dataset_id}/timeline").text.count(STEP_HEADING)
        require(shown == len(states), f"the timeline shows {shown} of {len(states)} steps")
        old, new = newer.count(False), newer.count(True)
        return f"session still open, encrypted anew; a history of {old} events under an older key, {new} under the new"

    def _session_is_under(self, key: str) -> bool:
        """Ada looks at a page; whether her session then opens with this key alone."""
        self.ada.get("/devices")
        record = self.curation.redis.get(SESSION_PREFIX + self.ada.session_id)
        return opens_session(key, record if isinstance(record, bytes) else b"", self.ada.session_id)

    def _describe_under(self, key: str) -> bool:
        """Ada describes the data set; whether that event opens with this key alone."""
        self.ada.submit(f"/catalogue/{self.dataset_id}/describe", **_DESCRIPTION, status=302)
        return opens_event(key, self.curation.event_states(self.dataset_id)[-1])


def opens_session(key: str, record: bytes, session_id: str) -> bool:
    """Whether this key alone opens the record of this session."""
    try:
        AESGCMEncryptor(b64decode(key), accept_unbound=False).decrypt_for(record, session_id)
    except InvalidTag:
        return False
    return True


def opens_event(keys: str, state: bytes) -> bool:
    """Whether one of these keys opens the state of an event."""
    try:
        KeyRingCipher(Environment("check", {KeyRingCipher.CIPHER_KEY: keys})).decrypt(state)
    except ValueError:
        return False
    return True
