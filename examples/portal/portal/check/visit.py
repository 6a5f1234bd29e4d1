"""The whole visit: every step in its order."""

from importlib.metadata import files
from pathlib import Path

from portal.check.choice_steps import ChoiceSteps
from portal.check.curation_steps import CurationSteps
from portal.check.device_steps import DeviceSteps
from portal.check.event_browser_steps import EventBrowserSteps
from portal.check.key_steps import KeySteps
from portal.check.notebook_steps import NotebookSteps
from portal.check.queue_steps import QueueSteps
from portal.check.rollout_steps import RolloutSteps
from portal.check.steps import Step, play
from portal.check.upload_steps import UploadSteps
from portal.launcher.stack import Stack


def play_visit(stack: Stack, visitors: int) -> int:
    """Play the visit against a running portal, with so many others while the release is replaced.

    Returns 0 if every step held, else 1.
    """
    curation = CurationSteps(stack, _penguins())
    rollout = RolloutSteps(stack, curation, visitors)
    notebook = NotebookSteps(stack, curation.ada)
    queue = QueueSteps(notebook)
    choice = ChoiceSteps(notebook, curation.grace)
    steps = [
        Step("every part works", curation.all_parts_work),
        Step("sign in", curation.sign_in),
        Step("deposit a file", curation.deposit),
        Step("upload past the catalogue", UploadSteps(curation).past_the_catalogue),
        Step("private object", curation.private_object),
        Step("describe", curation.describe),
        Step("timeline", curation.timeline),
        Step("approve", curation.approve),
        Step("public preview", curation.public_preview),
        Step("published timeline", curation.published_timeline),
        Step("event browser", EventBrowserSteps(curation).look),
        Step("new keys", KeySteps(curation).new_keys),
        Step("migrate --pre-deploy, twice at once", rollout.pre_deploy),
        Step("roll over to release 2", rollout.roll_over),
        Step("migrate", rollout.post_deploy),
        Step("refused ticket", notebook.refused_ticket),
        Step("a full cluster", queue.full_cluster),
        Step("place in the queue", queue.place_in_line),
        Step("use the notebook", notebook.answer),
        Step("time left", choice.time_left),
        Step("a free cluster", queue.free_cluster),
        Step("stop the notebook", notebook.stop),
        Step("kept and last choices", choice.remembered),
        Step("a profile and a link to it", choice.profile_and_link),
        Step("impossible requests", choice.impossible_requests),
        Step("a job that ends early", choice.early_end),
        Step("sign out elsewhere", DeviceSteps(curation).sign_out_elsewhere),
        Step("Slurm away", choice.without_slurm),
        Step("sign out", curation.sign_out),
    ]
    try:
        held = play(steps)
    finally:
        curation.close()
    print("The visit held in every step." if held else f"The visit failed. Logs: {stack.logs}", flush=True)
    return 0 if held else 1


def _penguins() -> bytes:
    """The real data file that the distribution `palmerpenguins` ships."""
    found = next(file for file in files("palmerpenguins") or [] if file.name == "penguins.csv")
    return Path(str(found.locate())).read_bytes()
