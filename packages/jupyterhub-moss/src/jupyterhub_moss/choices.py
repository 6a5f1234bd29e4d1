"""Choices under a name: an administrator's profiles and what a user has kept. Both fill in the form; neither starts."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import ValidationError
from traitlets import Dict, Unicode, validate

from jupyterhub_moss.account import AccountSpawner
from jupyterhub_moss.errors import InvalidOptionsError, SpawnRefused
from jupyterhub_moss.grammar import printable
from jupyterhub_moss.models import ProfileConfig, ProfilesTrait
from jupyterhub_moss.partitions import Partition
from jupyterhub_moss.problems import problems_of
from jupyterhub_moss.remembered import last_choice
from pentad_config import ConfigError, Problem

_MOST_KEPT = 20
_LONGEST_NAME = 60


class Filling(NamedTuple):
    """What a form is filled in with."""

    fields: Mapping[str, str] = {}
    origin: Literal["", "link", "refused", "named", "last"] = ""
    """Whence: a link, a form that was refused, a profile or kept choice, or the last start."""
    name: tuple[str, str] = ("", "")
    """The key of the link and the name, of a profile or kept choice."""


class NamedChoice(NamedTuple):
    """A profile or a kept choice, as the page shows it."""

    key: str
    """Key of the link that fills in the form: ``profile`` or ``choice``."""
    name: str
    description: str = ""


def checked_name(text: str) -> str:
    """The name under which choices are kept; `InvalidOptionsError` if it cannot be one."""
    name = text.strip()
    try:
        printable(name)
    except ValueError as error:
        raise InvalidOptionsError([f"keep_as: {error}"]) from None
    if len(name) > _LONGEST_NAME:
        raise InvalidOptionsError([f"keep_as: a name has at most {_LONGEST_NAME} characters, not {len(name)}"])
    return name


class ChoosingSpawner(AccountSpawner):
    """A spawner that knows choices by name."""

    if TYPE_CHECKING:
        partitions: dict[str, Any]

        def _persist(self) -> None: ...

    profiles = Dict(
        key_trait=Unicode(),
        value_trait=Dict(),
        help="""Choices that fill in the form together, by name: the keys of a link without `opt-`, and a
        `description`; see `jupyterhub_moss.models.ProfileConfig`. A user is shown those that the user may start.""",
    ).tag(config=True)

    kept_choices: Mapping[str, Mapping[str, Any]] = {}
    """Options that this server's user has kept under names; of use in the default server only."""

    @validate("profiles")
    def _complete_profiles(self, proposal: Any) -> dict[str, Any]:
        try:
            profiles = ProfilesTrait.model_validate(proposal["value"]).root
        except ValidationError as error:
            raise ConfigError(problems_of(error, "c.MOSlurmSpawner.profiles")) from None
        return {name: profile.model_dump(exclude_unset=True) for name, profile in profiles.items()}

    def check_profiles(self) -> None:
        """Refuse a configuration with profiles for what is not configured."""
        problems = [
            Problem(f"c.MOSlurmSpawner.profiles.{name}.{field}", f"{value!r} is not configured{where}.")
            for name, profile in self.profiles.items()
            for field, value, where in self._unconfigured(profile)
        ]
        if problems:
            raise ConfigError(problems)

    def _unconfigured(self, profile: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
        name, environment = profile["partition"], profile.get("environment_id", "")
        if name not in self.partitions:
            yield "partition", name, " in c.MOSlurmSpawner.partitions"
        elif environment and environment not in self.partitions[name]["jupyter_environments"]:
            yield "environment_id", environment, f" for partition {name!r}"

    def profile_fields(self) -> dict[str, dict[str, str]]:
        """The fields of the form that each profile fills in."""
        return {name: ProfileConfig.model_validate(profile).fields() for name, profile in self.profiles.items()}

    # What users keep

    def _keeper(self) -> "ChoosingSpawner":
        """The user's default server: it keeps the choices of all servers of the user."""
        keeper = self.user.spawners[""] if self.name else self
        return keeper if isinstance(keeper, ChoosingSpawner) else self

    def get_state(self) -> dict[str, Any]:
        """What the hub stores for its next start."""
        state: dict[str, Any] = super().get_state()
        return {**state, "kept_choices": dict(self.kept_choices)} if self.kept_choices else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what the hub has stored; an end of the server clears none of it."""
        super().load_state(state)
        self.kept_choices = state.get("kept_choices", {})

    def keep(self, options: Mapping[str, Any], *, name: str, forgotten: Iterable[str]) -> None:
        """Keep options under a name, if it is not empty, and forget others."""
        keeper, gone = self._keeper(), set(forgotten)
        kept = {each: stored for each, stored in keeper.kept_choices.items() if each not in gone}
        if name:
            kept[name] = options
        if len(kept) > _MOST_KEPT:
            raise InvalidOptionsError([f"keep_as: at most {_MOST_KEPT} choices are kept; remove one of them"])
        if kept != keeper.kept_choices:
            keeper.kept_choices = kept
            keeper._persist()  # noqa: SLF001  # another spawner of the same class

    # What the form shows

    def named_fields(self, key: str, name: str, partitions: Mapping[str, Partition]) -> Mapping[str, str]:
        """The fields that a profile or kept choice fills in; `SpawnRefused` if there is none of that name."""
        kept = self._keeper().kept_choices
        found = self.profile_fields().get(name) if key == "profile" else last_choice(kept.get(name, {}), partitions)
        if not found or found["partition"] not in partitions:
            what = "profile" if key == "profile" else "choice of yours"
            raise SpawnRefused(f"There is no {what} named {name!r} that can be used at the moment")
        return found

    def kept_names(self) -> list[str]:
        """The names under which the user has kept choices."""
        return list(self._keeper().kept_choices)
