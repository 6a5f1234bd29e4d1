"""The Python environment of a job: which one was chosen and the shell commands that prepare it."""

from collections.abc import Mapping
from typing import NamedTuple

from jupyterhub_moss.errors import InvalidOptionsError
from jupyterhub_moss.models import JupyterEnvironment, UserOptions
from jupyterhub_moss.quoting import double_quoted, shell_path, shell_words


def _export_path(path: str, *, expand_variables: bool) -> str:
    return f'export PATH="{double_quoted(path, expand_variables=expand_variables)}:$PATH"'


def create_prologue(default: str, env_prologue: str, path: str, modules: str, *, expand_variables: bool = False) -> str:
    """The shell commands that run before the server.

    In order, each on its own line and left out when empty: `default`, `env_prologue`, ``module load`` of
    `modules` (names separated by spaces) and an export that puts `path` first in PATH. A container image
    (``.sif``) is not put there. `expand_variables` lets ``$NAME`` in `path` stand for a variable of the job.
    """
    lines = [default]
    if env_prologue:
        lines.append(env_prologue)
    if modules:
        lines.append(f"module load {shell_words(modules.split())}")
    if path and not path.endswith(".sif"):
        lines.append(_export_path(path, expand_variables=expand_variables))
    return "\n".join(lines)


class ChosenEnvironment(NamedTuple):
    """The environment that a job starts."""

    id: str
    path: str
    modules: str
    add_to_path: bool
    prologue: str
    configured: bool
    """Whether the administrator wrote it, so that variables in `path` are expanded."""

    def script_prologue(self, default: str) -> str:
        """The prologue of the job script."""
        path = self.path if self.add_to_path else ""
        return create_prologue(default, self.prologue, path, self.modules, expand_variables=self.configured)

    def command(self, program: str) -> str:
        """The shell word that runs a program of this environment; a program with a path of its own keeps it."""
        if not self.path or "/" in program:
            return program
        return shell_path(f"{self.path.rstrip('/')}/{program}", expand_variables=self.configured)

    @property
    def is_container(self) -> bool:
        """Whether the path is a container image."""
        return self.path.endswith(".sif")


def _configured(identifier: str, environment: JupyterEnvironment) -> ChosenEnvironment:
    return ChosenEnvironment(
        identifier,
        environment.path,
        environment.modules,
        environment.add_to_path,
        environment.prologue,
        configured=True,
    )


def choose_environment(options: UserOptions, environments: Mapping[str, JupyterEnvironment]) -> ChosenEnvironment:
    """The configured environment with the wanted id, else the custom one, else the partition's first."""
    identifier = options.environment_id
    custom = bool(options.environment_path or options.environment_modules)
    if not identifier and not custom and environments:
        identifier = next(iter(environments))
    if identifier in environments:
        return _configured(identifier, environments[identifier])
    if identifier and not custom:
        known = ", ".join(environments) or "none"
        where = f"partition {options.partition!r}; it has {known}"
        raise InvalidOptionsError([f"environment_id: {identifier!r} is not an environment of {where}"])
    return ChosenEnvironment(
        identifier,
        options.environment_path,
        options.environment_modules,
        add_to_path=True,
        prologue="",
        configured=False,
    )
