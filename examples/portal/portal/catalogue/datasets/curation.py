"""The curation of a data set as events: registered, described, approved."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import ProcessApplication

from portal.web.pages import counted, filesize


class CurationError(ValueError):
    """The step is not possible in the data set's present state."""


class Dataset(Aggregate):
    """One data set on its way into the catalogue.

    Its state is what its events say; nothing else is stored about it except the file itself.
    """

    class Registered(Aggregate.Created):
        """A file was deposited under a title."""

        title: str
        file_key: str
        file_name: str
        file_size: int
        sha256: str
        profile: dict[str, Any]
        registered_by: str

    class Described(Aggregate.Event):
        """The data set was described, or described better."""

        summary: str
        keywords: list[str]
        licence: str
        described_by: str

    class Approved(Aggregate.Event):
        """A curator opened the data set to everyone."""

        approved_by: str

    @event(Registered)
    def __init__(
        self,
        title: str,
        file_key: str,
        file_name: str,
        file_size: int,
        sha256: str,
        profile: dict[str, Any],
        registered_by: str,
    ) -> None:
        self.title = title
        self.file_key = file_key
        self.file_name = file_name
        self.file_size = file_size
        self.sha256 = sha256
        self.profile = profile
        self.registered_by = registered_by
        self.state = "registered"
        self.summary = ""
        self.keywords: list[str] = []
        self.licence = ""

    def describe(self, summary: str, keywords: list[str], licence: str, by: str) -> None:
        """Say what the data are.

        Raises:
            CurationError: the data set is approved; its description is settled.
        """
        if self.state == "approved":
            raise CurationError(f"“{self.title}” is approved; its description is settled.")
        self._describe(summary=summary, keywords=keywords, licence=licence, described_by=by)

    @event(Described)
    def _describe(self, summary: str, keywords: list[str], licence: str, described_by: str) -> None:
        self.summary = summary
        self.keywords = keywords
        self.licence = licence
        self.state = "described"

    def approve(self, by: str) -> None:
        """Open the data set to everyone.

        Raises:
            CurationError: it is not described yet, or approved already.
        """
        if self.state != "described":
            raise CurationError(f"“{self.title}” is {self.state}; only a described data set can be approved.")
        self._approve(approved_by=by)

    @event(Approved)
    def _approve(self, approved_by: str) -> None:
        self.state = "approved"


class Curation(ProcessApplication[UUID]):
    """The application behind the catalogue's forms; its events go through the Django ORM.

    What is described again and again is not replayed from its first event: every fifth version is kept as a snapshot.
    """

    snapshotting_intervals: ClassVar[dict[Any, int]] = {Dataset: 5}

    def register(self, **particulars: Any) -> UUID:
        """Register a data set; `particulars` are those of `Dataset`. Returns its id."""
        dataset = Dataset(**particulars)
        self.save(dataset)
        return dataset.id

    def find(self, dataset_id: UUID) -> Dataset | None:
        """The data set of this id, if there is one."""
        try:
            found: Dataset = self.repository.get(dataset_id)
        except AggregateNotFoundError:
            return None
        return found

    def describe(self, dataset_id: UUID, summary: str, keywords: list[str], licence: str, by: str) -> None:
        """Record a description."""
        dataset: Dataset = self.repository.get(dataset_id)
        dataset.describe(summary, keywords, licence, by)
        self.save(dataset)

    def approve(self, dataset_id: UUID, by: str, seen: int) -> None:
        """Record an approval of the data set as the curator saw it, at version `seen`.

        Raises:
            CurationError: it has changed since, or is in no state to be approved.
        """
        dataset: Dataset = self.repository.get(dataset_id)
        if dataset.state == "described" and dataset.version != seen:
            raise CurationError(f"“{dataset.title}” was described anew while you read it. Look at it once more.")
        dataset.approve(by)
        self.save(dataset)

    def history(self, dataset_id: UUID, *, drafts: bool) -> list["Moment"]:
        """What happened to a data set, oldest first, each with what it changed.

        Without `drafts`, of all descriptions only the last is told, as if the depositor had written no other.
        """
        moments: list[Moment] = []
        known: dict[str, str] = {}
        stored: list[Any] = list(self.events.get(dataset_id))
        for happened in stored if drafts else _without_drafts(stored):
            what, by, facts = _told(happened)
            changes = [Change(name, known.get(name, ""), value) for name, value in facts.items()]
            known |= facts
            moments.append(
                Moment(
                    version=happened.originator_version,
                    at=happened.timestamp,
                    what=what,
                    by=by,
                    changes=[change for change in changes if change.before != change.after],
                )
            )
        return moments


@dataclass(frozen=True, slots=True)
class Change:
    """One of a data set's properties, in words, before and after; empty for none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a data set's curation: when who did what, and what changed by it."""

    version: int
    at: datetime
    what: str
    by: str
    changes: list[Change]


def _without_drafts(stored: list[Any]) -> list[Any]:
    descriptions = [happened for happened in stored if isinstance(happened, Dataset.Described)]
    return [happened for happened in stored if happened not in descriptions[:-1]]


def _told(happened: Any) -> tuple[str, str, dict[str, str]]:
    """What an event says: in a word, by whom, and the data set's properties from then on."""
    match happened:
        case Dataset.Registered():
            size = f"{filesize(happened.file_size)}, {counted(happened.profile['row_count'], 'row')}"
            facts = {"Title": happened.title, "File": f"{happened.file_name}, {size}", "SHA-256": happened.sha256}
            return "Registered", happened.registered_by, facts
        case Dataset.Described():
            keywords = ", ".join(happened.keywords)
            facts = {"Summary": happened.summary, "Keywords": keywords, "Licence": happened.licence}
            return "Described", happened.described_by, facts
        case Dataset.Approved():
            return "Approved", happened.approved_by, {"Open to": "everyone"}
        case _:
            return type(happened).__name__, "", {}
