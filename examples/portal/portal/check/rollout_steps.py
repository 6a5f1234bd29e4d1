"""The visit's middle: a release goes out in two stages while the site is open."""

import re
import signal
import subprocess

from portal.check.curation_steps import CurationSteps
from portal.check.steps import require
from portal.launcher.parts import poll_until
from portal.launcher.stack import Stack
from portal.settings import NEWEST_RELEASE, put_in_service, release_in_service

_APPLIED = re.compile(r"Applying (datasets\.\w+)\.\.\. OK")


class RolloutSteps:
    """Release 2 adds a column: `migrate --pre-deploy`, new code, `migrate`."""

    def __init__(self, stack: Stack, curation: CurationSteps) -> None:
        self.stack = stack
        self.curation = curation
        self.was_played = release_in_service(stack.state) == NEWEST_RELEASE

    def pre_deploy(self) -> str:
        """Two clusters run `migrate --pre-deploy --quorum 2` at once; one of them applies the migration."""
        self.curation.deposit_small("Nest counts before the rollout")
        outputs = self._two_at_once("migrate", "--pre-deploy", "--quorum", "2", "--quorum-timeout", "60", "--no-color")
        applied = [_APPLIED.findall(text) for text in outputs]
        wanted = [] if self.was_played else [["datasets.0002_searchentry_licence"]]
        require([names for names in applied if names] == wanted, f"applied by the two: {applied}\n{outputs}")
        require(self._has_licence(), "the column is not there")
        if self.was_played:
            return "nothing left to apply (an earlier run of this data folder played it); both ended with 0"
        self.curation.deposit_small("Nest counts by release 1 on the new table")
        return "both ended with 0, one applied 0002; release 1 still reads and writes"

    def roll_over(self) -> str:
        """The catalogue takes up release 2 without closing: gunicorn's HUP, and the follower starts anew."""
        put_in_service(self.stack.state, NEWEST_RELEASE)
        self.stack.running["catalogue"].process.send_signal(signal.SIGHUP)
        poll_until(lambda: self._releases() == (NEWEST_RELEASE, NEWEST_RELEASE), 40, "release 2 in both processes")
        self.curation.deposit_small("Nest counts by release 2")
        return f"catalogue and follower run release {NEWEST_RELEASE}"

    def post_deploy(self) -> str:
        """`migrate` applies the rest; the site goes on working."""
        finished = self.stack.manage("migrate", "--no-color", release=NEWEST_RELEASE)
        require(finished.returncode == 0, finished.stdout + finished.stderr)
        applied = _APPLIED.findall(finished.stdout)
        wanted = [] if self.was_played else ["datasets.0003_drop_db_default_searchentry_licence"]
        require(applied == wanted, f"applied: {applied}")
        require(not self._has_default(), "the column still has its default")
        self.curation.deposit_small("Nest counts after the rollout")
        page = self.curation.stranger.get(f"{self.stack.settings.public_url}/catalogue/?q=simplified")
        require("CC0-1.0" in page.text, "the catalogue does not show the licence of a data set approved before")
        return f"applied {', '.join(applied) or 'nothing'}; licences filled in from the events"

    def _two_at_once(self, *arguments: str) -> list[str]:
        environment = self.stack.environment | {"PORTAL_RELEASE": str(NEWEST_RELEASE)}
        both = [
            subprocess.Popen(
                self.stack.manage_command(*arguments), env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for _ in range(2)
        ]  # fmt: skip
        outputs = [one.communicate(timeout=120)[0] for one in both]
        require([one.returncode for one in both] == [0, 0], "\n".join(outputs))
        return outputs

    def _releases(self) -> tuple[int, int]:
        """The releases that the catalogue and the follower say they run; 0 while one does not answer."""
        health = self.curation.stranger.get(f"{self.stack.settings.catalogue_url}/catalogue/health").json()
        found = [re.search(r"release (\d+)", health[part]["detail"]) for part in ("catalogue", "follower")]
        catalogue, follower = (int(match[1]) if match else 0 for match in found)
        return catalogue, follower

    def _column(self) -> list[tuple[object, ...]]:
        return self.curation.query(
            "SELECT column_default FROM information_schema.columns"
            " WHERE table_name = 'datasets_searchentry' AND column_name = 'licence'"
        )

    def _has_licence(self) -> bool:
        return bool(self._column())

    def _has_default(self) -> bool:
        return self._column()[0][0] is not None
