"""The visit's middle: a release goes out in two stages while the site is open."""

import re
import signal
import subprocess
from typing import Final

from portal.check.curation_steps import CurationSteps
from portal.check.steps import PATIENCE, require
from portal.check.traffic import Traffic
from portal.launcher.parts import poll_until
from portal.launcher.stack import Stack
from portal.settings import NEWEST_RELEASE, RELEASE_HEADER, put_in_service, release_in_service

_BEFORE: Final = ["datasets.0002_rename_registered_by_searchentry_depositor", "datasets.0003_searchentry_licence"]
_AFTER: Final = ["datasets.0004_drop_searchentry_registered_by", "datasets.0005_drop_db_default_searchentry_licence"]
_APPLIED = re.compile(r"Applying (datasets\.\w+)\.\.\. OK")


class RolloutSteps:
    """Release 2 renames a column and adds one: `migrate --pre-deploy`, new code, `migrate`, with visitors all along."""

    def __init__(self, stack: Stack, curation: CurationSteps, visitors: int) -> None:
        self.stack = stack
        self.curation = curation
        self.visitors = visitors
        self.traffic: Traffic | None = None
        self.was_played = release_in_service(stack.state) == NEWEST_RELEASE

    def pre_deploy(self) -> str:
        """Two clusters run `migrate --pre-deploy --quorum 2` at once; one of them applies the migrations."""
        dataset_id = self.curation.deposit_small("Nest counts before the rollout")
        self.traffic = Traffic(self.curation.ada, dataset_id, self.visitors)
        self.traffic.start()
        outputs = self._two_at_once(
            "migrate", "--pre-deploy", "--quorum", "2", "--quorum-timeout", f"{PATIENCE:.0f}", "--no-color"
        )
        applied = [_APPLIED.findall(text) for text in outputs]
        wanted = [] if self.was_played else [_BEFORE]
        require([names for names in applied if names] == wanted, f"applied by the two: {applied}\n{outputs}")
        if self.was_played:
            return "nothing left to apply (an earlier run of this data folder played it); both ended with 0"
        require(self._columns() == {"registered_by", "depositor", "licence"}, f"the columns are {self._columns()}")
        self.curation.deposit_small("Nest counts by release 1 on the new table")
        return "both ended with 0, one applied 0002 and 0003; release 1 still reads and writes"

    def roll_over(self) -> str:
        """Release 2 starts beside release 1, each reads what the other wrote, and release 1 goes."""
        releases = {str(release_in_service(self.stack.state)), str(NEWEST_RELEASE)}
        catalogue = self.stack.running["catalogue"].process
        put_in_service(self.stack.state, NEWEST_RELEASE)
        catalogue.send_signal(signal.SIGTTIN)  # gunicorn: one worker more
        poll_until(lambda: self._follower() == NEWEST_RELEASE, PATIENCE, "release 2 in the follower")
        dataset_id = self.curation.deposit_small("Nest counts while both releases serve")
        showing: set[str] = set()

        def is_shown_by_all() -> bool:
            showing.add(self._desk_by(dataset_id))
            return showing >= releases

        poll_until(is_shown_by_all, PATIENCE, "both releases to show what the newer one's follower wrote")
        catalogue.send_signal(signal.SIGTTOU)  # one less: the oldest ends when it has answered
        poll_until(self._only_newest, PATIENCE, "release 1 to be gone")
        if self.was_played:
            return f"a second worker of release {NEWEST_RELEASE} beside the first, then alone"
        return f"releases {' and '.join(sorted(releases))} side by side, then {NEWEST_RELEASE} alone"

    def post_deploy(self) -> str:
        """`migrate` applies the rest; the site goes on working, and no request of the whole rollout failed."""
        finished = self.stack.manage("migrate", "--no-color", release=NEWEST_RELEASE)
        require(finished.returncode == 0, finished.stdout + finished.stderr)
        applied = _APPLIED.findall(finished.stdout)
        require(applied == ([] if self.was_played else _AFTER), f"applied: {applied}")
        require(self._columns() == {"depositor", "licence"}, f"the columns are {self._columns()}")
        self.curation.deposit_small("Nest counts after the rollout")
        page = self.curation.stranger.get(f"{self.stack.settings.public_url}/catalogue/?q=simplified")
        require("CC0-1.0" in page.text, "the catalogue does not show the licence of a data set approved before")
        served = self.traffic.stop() if self.traffic else ""
        return f"applied {len(applied)}; licences filled in from the events; {served}"

    def _two_at_once(self, *arguments: str) -> list[str]:
        environment = self.stack.environment | {"PORTAL_RELEASE": str(NEWEST_RELEASE)}
        both = [
            subprocess.Popen(
                self.stack.manage_command(*arguments), env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for _ in range(2)
        ]  # fmt: skip
        outputs = [one.communicate(timeout=2 * PATIENCE)[0] for one in both]
        require([one.returncode for one in both] == [0, 0], "\n".join(outputs))
        return outputs

    def _follower(self) -> int:
        """The release that the follower says it runs; 0 while it does not answer."""
        health = self.curation.stranger.get(f"{self.stack.settings.catalogue_url}/catalogue/health").json()
        found = re.search(r"release (\d+)", health["follower"]["detail"])
        return int(found[1]) if found else 0

    def _desk_by(self, dataset_id: str) -> str:
        """The release that answers Ada's look at her desk, if it shows this data set."""
        page = self.curation.ada.get("/catalogue/")
        return page.headers[RELEASE_HEADER] if dataset_id in page.text else ""

    def _only_newest(self) -> bool:
        """Whether many looks in a row, each over a connection of its own, are answered by the newest release."""
        return all(self._desk_by("") == str(NEWEST_RELEASE) for _ in range(12))

    def _columns(self) -> set[str]:
        """Those of the search's table that the rollout is about."""
        rows = self.curation.query(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = 'datasets_searchentry' AND column_name IN ('registered_by', 'depositor', 'licence')"
        )
        return {str(name) for (name,) in rows}
