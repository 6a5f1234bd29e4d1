"""Why a server is not started: errors whose text is meant for the user who asked for it."""

from collections.abc import Iterable

from markupsafe import Markup, escape
from tornado import web


class SpawnRefused(web.HTTPError):
    """The request cannot be carried out; the hub answers 400 and shows `message`."""

    def __init__(self, message: str, *, status_code: int = 400) -> None:
        super().__init__(status_code, message)
        self.message = self.jupyterhub_message = message
        self.sentence = message
        """What is told of it later: the message without a job's output."""

    def __str__(self) -> str:
        return self.message


class InvalidOptionsError(SpawnRefused, ValueError):
    """One or more options are malformed; `problems` has a sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class UnavailablePartitionError(SpawnRefused, RuntimeError):
    """The partition is not configured, or Slurm does not have it."""


class LimitError(SpawnRefused, AssertionError):
    """More was asked for than the partition has or allows."""


class SubmissionError(SpawnRefused, RuntimeError):
    """sbatch refused the job or could not be run."""


class ImpossibleRequestError(SpawnRefused, RuntimeError):
    """Slurm has taken the job and says that it will never start."""


class JobEndedError(SpawnRefused, RuntimeError):
    """The job ended before its server could be reached; `output` is the end of what it wrote, in lines."""

    def __init__(self, sentence: str, about_output: str = "", output: str = "") -> None:
        words = f"{sentence} {about_output}".rstrip()
        super().__init__(f"{words}\n{output}" if output else words, status_code=500)
        self.sentence = sentence
        if output:  # the hub's pages put the message into one paragraph, in which lines run together
            lines = Markup(
                '<pre class="text-start" style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>'
            ).format(output)
            self.jupyterhub_html_message = str(escape(words) + lines)


class ConfirmLink(web.HTTPError):
    """A link asked for more than a link may start: the form is shown, filled in, and nothing is started."""

    def __init__(self) -> None:
        super().__init__(200, "the link needs confirmation")
        # empty texts keep the hub from announcing an error above the form, which explains itself
        self.jupyterhub_message = ""
        self.jupyterhub_html_message = ""

    def __str__(self) -> str:
        # what a hub before 5.4 announces
        return ""
