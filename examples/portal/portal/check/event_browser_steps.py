"""The visit's look behind the curation: the events themselves, and how far the follower is."""

import re
from html import unescape
from typing import Final
from urllib.parse import quote

from portal.check.curation_steps import CurationSteps
from portal.check.steps import expect_status, require

EVENTS: Final = "/catalogue/events/"
FOLLOWERS: Final = f"{EVENTS}eventsourcing_django/notificationtrackingrecord/"
SNAPSHOTS: Final = f"{EVENTS}eventsourcing_django/snapshotrecord/"
_LINK = re.compile(rf'href="({EVENTS}[^"]+/timeline/[^"]+)"')
_TOPIC = re.compile(r'<td title="[^"]+">Dataset\.(\w+)</td>')
_CELL: Final = r"\s*<td[^>]*>([^<]*)</td>"
_LAG = re.compile(rf'<th scope="row">SearchFeed</th>{_CELL * 4}')


class EventBrowserSteps:
    """Grace opens the event browser from a data set's timeline; Ada and a stranger do not get in."""

    def __init__(self, curation: CurationSteps) -> None:
        self.curation = curation
        self.grace = curation.grace

    def look(self) -> str:
        """A curator sees the events decoded and no follower behind; nobody else does, and nothing can be sent."""
        found = _LINK.search(self.grace.get(f"/catalogue/{self.curation.dataset_id}/timeline").text)
        require(found, "the timeline does not lead a curator to the event browser")
        address = unescape(found[1]) if found else ""
        page = self.grace.get(address).text
        shown = _TOPIC.findall(page)
        require({*shown} == {"Registered", "Described", "Approved"}, f"the event browser shows {shown}")
        require("approved_by = check-grace" in page, "the event browser does not show what the approval says")
        snapshots = self.grace.get(f"{SNAPSHOTS}?q={self.curation.dataset_id}").text
        require(f"{self.curation.dataset_id}&amp;version=5" in snapshots, "no snapshot of its fifth version is listed")
        self._refuses_others(address)
        expect_status(self.grace.client.post(EVENTS), 403)
        return f"{len(shown)} events decoded; {self._lag()}; 403 to a member, sign-in for a stranger"

    def _refuses_others(self, address: str) -> None:
        own_timeline = self.curation.ada.get(f"/catalogue/{self.curation.dataset_id}/timeline").text
        require(EVENTS not in own_timeline, "a member is led to the event browser")
        for path in (EVENTS, FOLLOWERS, address):
            self.curation.ada.get(path, status=403)
        answer = self.curation.stranger.get(f"{self.curation.settings.public_url}{address}")
        way = expect_status(answer, 302).headers["location"]
        require(way == f"/sign-in?next={quote(address, safe='')}", f"a stranger is led to {way}")

    def _lag(self) -> str:
        found = _LAG.search(self.grace.get(FOLLOWERS).text)
        leader, position, newest, lag = found.groups() if found else ("", "", "", "")
        says = f"the follower is at {position} of {newest}"
        require((leader, position, lag) == ("Curation", newest, "0"), f"{says}, {lag} behind")
        return says
