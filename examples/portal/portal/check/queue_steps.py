"""The visit's wait: a cluster that is full, and what a visitor learns of it before and while a notebook waits."""

import re

import httpx

from portal.check.notebook_steps import USER, NotebookSteps
from portal.check.steps import PATIENCE, StepFailedError
from portal.launcher.parts import poll_until

_WHOLE_PARTITION = ("--partition=cpu", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")


class QueueSteps:
    """Others fill the partition before Ada asks for a notebook, and leave it."""

    def __init__(self, notebook: NotebookSteps) -> None:
        self.notebook = notebook
        self.others: list[str] = []
        self.page: httpx.Response | None = None

    def full_cluster(self) -> str:
        """One job runs on the whole partition, another waits: the notebooks page and the spawn page's table say so."""
        for _ in range(2):
            self.others.append(re.findall(r"\d+", self.notebook.slurm("sbatch", *_WHOLE_PARTITION))[-1])
        poll_until(
            lambda: sorted(self._others().values()) == ["PENDING", "RUNNING"], PATIENCE, "the partition to be full"
        )
        poll_until(self._is_told, PATIENCE, "the notebooks page to tell of the full partition")
        self.page = self.notebook.open_spawn_page("First look")
        poll_until(lambda: self._live()["ncores_idle"] == 0, PATIENCE, "the spawn page's table to tell of it")
        return f"0 of {self._live()['ncores_total']} processors free, on the notebooks page and in the live table"

    def free_cluster(self) -> str:
        """What an open spawn page asks for has changed since."""
        poll_until(lambda: self._live()["ncores_idle"] > 0, PATIENCE, "the live table to tell of free processors")
        return f"{self._live()['ncores_idle']} of {self._live()['ncores_total']} processors free in the live table"

    def place_in_line(self) -> str:
        """Ada's job is behind the one that waits; her page says so, and it runs once the others are gone."""
        self.notebook.request(self.page or self.notebook.open_spawn_page("First look"))
        told = next((line for line in self.notebook.progress() if "Place" in line), "")
        if "Place 2 in the queue of partition cpu" not in told:
            raise StepFailedError(f"the page of the starting server says {told!r}")
        self.notebook.slurm("scancel", *self.others)
        return told

    def _others(self) -> dict[str, str]:
        return {job: state for job, state in self.notebook.jobs().items() if job in self.others}

    def _is_told(self) -> bool:
        page = self.notebook.ada.get("/notebooks").text
        row = re.search(r"<tr><th scope=\"row\">cpu</th>.*?</tr>", page)
        return row is not None and "</meter>0 of " in row[0] and ">1</td>" in row[0]

    def _live(self) -> dict[str, int]:
        """The partition in what an open spawn page asks for every few seconds."""
        return dict(self.notebook.ask_hub(f"users/{USER}/moss/resources")["partitions"]["cpu"])
