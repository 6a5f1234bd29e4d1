"""Events that a version of the portal stored before it encrypted them: they are encrypted where they stand.

The cipher of the events refuses what is not encrypted, so this is done before anybody reads them. It is the one
place where the portal rewrites events; what they say stays the same, byte for byte.
"""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Substr
from django.db.models.lookups import Exact
from eventsourcing.persistence import Cipher

from eventsourcing_django.models import StoredEventRecord
from portal.catalogue.datasets.pages import curation


def all_events_have_keys() -> bool:
    """Whether the oldest and the newest of the encrypted events open with the keys that there are.

    A key that is lost is that of the newest event, or that of all up to some event.
    """
    if StoredEventRecord._meta.db_table not in connection.introspection.table_names():
        return True
    encrypted = _events().exclude(_begins_like_json())
    found = (encrypted.order_by("pk").first(), encrypted.order_by("-pk").first())
    return all(_opens(bytes(event[1])) for event in found if event)


def encrypt_plain_events() -> int:
    """Encrypt all that are not, in one transaction; returns how many."""
    encrypted = 0
    with transaction.atomic():
        for number, state in _plain_events():
            changed = StoredEventRecord.objects.filter(pk=number, state=state)
            encrypted += changed.update(state=_cipher().encrypt(state))
    return encrypted


def _plain_events() -> Iterator[tuple[int, bytes]]:
    """Number and state of each event that is not encrypted: what merely begins like JSON is none."""
    for number, stored in _events().filter(_begins_like_json()).order_by("pk").iterator():
        state = bytes(stored)
        try:
            json.loads(state)
        except ValueError:
            continue
        yield number, state


def _events() -> "QuerySet[StoredEventRecord, tuple[Any, ...]]":
    """Number and state; no column that the table of an earlier version may lack."""
    return StoredEventRecord.objects.values_list("pk", "state")


def _begins_like_json() -> Exact:
    """True of every event that is not encrypted, and of one in 256 of those that are."""
    return Exact(Substr("state", 1, 1, output_field=BinaryField()), b"{")


def _opens(state: bytes) -> bool:
    try:
        _cipher().decrypt(state)
    except ValueError:
        return False
    return True


def _cipher() -> Cipher:
    cipher = curation().mapper.cipher
    if cipher is None:
        raise LookupError("the curation has no cipher: EVENT_SOURCING_APPLICATION names none")
    return cipher
