"""The follower that feeds the search: it reads the curation's events and writes what readers see.

It runs in a process of its own (`manage.py follow`), through the runner named by EVENTSOURCING_RUNNER. Writing
an entry or a preview twice gives the same result, so an event that is delivered again does no harm.
"""

import os
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from eventsourcing.application import ProcessingEvent
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.system import ProcessApplication, Runner, SingleThreadedRunner, System

from portal.catalogue.datasets.curation import Curation, Dataset
from portal.catalogue.datasets.models import DEPOSITOR, IS_RELEASE_2, SearchEntry, public_previews
from portal.catalogue.datasets.profile import preview_csv


class SearchFeed(ProcessApplication[UUID]):
    """Keeps `SearchEntry` and the public previews in step with the events."""

    def policy(self, domain_event: DomainEventProtocol[UUID], processing_event: ProcessingEvent[UUID]) -> None:
        """Take one event into the projection."""
        match domain_event:
            case Dataset.Registered():
                _write(domain_event.originator_id, **_registration(domain_event))
            case Dataset.Described():
                _write(domain_event.originator_id, **_description(domain_event))
            case Dataset.Approved():
                _publish_preview(domain_event.originator_id)
                _write(domain_event.originator_id, state="approved")


@cache
def get_runner() -> Runner[UUID]:
    """The started runner that `sync_followers` works with."""
    system = System(pipes=[[Curation, SearchFeed]])
    runner: Runner[UUID] = SingleThreadedRunner(system, env=settings.EVENT_SOURCING_APPLICATION)
    runner.start()
    return runner


def preview_name(dataset_id: UUID) -> str:
    """Name of a data set's preview in the public bucket."""
    return f"{dataset_id}/preview.csv"


def fill_in_licences() -> int:
    """Give entries that an older release wrote their licence, from the events; returns how many."""
    if not IS_RELEASE_2:
        return 0
    filled = 0
    for entry in SearchEntry.objects.filter(licence=""):
        dataset = _curation().find(entry.dataset_id)
        if dataset is not None and dataset.licence:
            _write(entry.dataset_id, licence=dataset.licence)
            filled += 1
    return filled


def _curation() -> Curation:
    curation: Curation = get_runner().get(Curation)
    return curation


def _registration(event: Dataset.Registered) -> dict[str, Any]:
    return {
        "title": event.title,
        "state": "registered",
        "file_size": event.file_size,
        "row_count": event.profile["row_count"],
        DEPOSITOR: event.registered_by,
        "registered_at": event.timestamp,
    }


def _description(event: Dataset.Described) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "summary": event.summary,
        "keywords": ", ".join(event.keywords),
        "state": "described",
    }
    if IS_RELEASE_2:
        fields["licence"] = event.licence
    return fields


def _write(dataset_id: UUID, **fields: Any) -> None:
    fields["indexed_by"] = os.getpid()
    SearchEntry.objects.update_or_create(dataset_id=dataset_id, defaults=fields)


def _publish_preview(dataset_id: UUID) -> None:
    dataset = _curation().find(dataset_id)
    if dataset is None:
        raise LookupError(f"data set {dataset_id} has an approval but no registration")
    public_previews().save(preview_name(dataset_id), ContentFile(preview_csv(dataset.profile)))
