"""The schemas: partitions as configured, resources as Slurm reports them, options as a user chooses them.

All are frozen pydantic models. Unknown keys are refused in what an administrator configures, so that a
misspelt key is an error at start-up and not a setting without effect.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    RootModel,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from jupyterhub_moss import grammar
from jupyterhub_moss.nodes import NodeType
from jupyterhub_moss.timelimit import parse_timelimit


class PartitionResources(BaseModel):
    """What one node of a partition offers at most, and how long a job may run there.

    A function given as `MOSlurmSpawner.slurm_info_resources` returns these; it may add fields.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    max_nprocs: PositiveInt
    """CPUs of the largest node."""
    max_mem: PositiveInt
    """Memory of the largest node in megabytes."""
    gpu: str
    """Template for ``--gres`` with ``{}`` in place of the number, as ``gpu:V100:{}``; empty without GPUs."""
    max_ngpus: NonNegativeInt
    """GPUs of the node that has the most."""
    max_runtime: PositiveInt
    """Longest job in seconds."""


class PartitionAllResources(PartitionResources):
    """`PartitionResources` with the counts that the table of available resources shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nnodes_total: NonNegativeInt
    nnodes_idle: NonNegativeInt
    ncores_total: NonNegativeInt
    ncores_idle: NonNegativeInt


class PartitionNodes(PartitionAllResources):
    """`PartitionAllResources` with the kinds of nodes that the numbers were taken from."""

    node_types: Annotated[tuple[NodeType, ...], Field(exclude=True, repr=False)] = ()


#: Context of a validation of what was validated before: defaults were filled in and look as if they had been given.
COMPLETED = "completed"


class JupyterEnvironment(BaseModel):
    """A Python environment on the Slurm nodes that can start Jupyter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    add_to_path: bool = True
    """Whether the job's PATH begins with `path`."""
    description: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """Text of the choice on the page."""
    path: str = ""
    """The environment's bin folder, or a container image ending in ``.sif``."""
    modules: str = ""
    """Environment modules to load, separated by spaces."""
    prologue: str = ""
    """Shell commands that run before the server starts."""

    @model_validator(mode="after")
    def _names_something(self, info: ValidationInfo) -> "JupyterEnvironment":
        if info.context == COMPLETED:
            return self
        if "modules" in self.model_fields_set and not self.modules and not self.path:
            raise ValueError("the environment has neither a path nor modules: give at least one of them")
        return self


class PartitionConfig(BaseModel):
    """A partition as configured; what is None is taken from Slurm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str = ""
    description: str = ""
    simple: bool = True
    jupyter_environments: dict[str, JupyterEnvironment]
    gpu: str | None = None
    max_ngpus: NonNegativeInt | None = None
    max_nprocs: PositiveInt | None = None
    max_runtime: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_gpu_means_none(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("gpu") == "" and data.get("max_ngpus"):
            return {**data, "max_ngpus": 0}
        return data


class PartitionInfo(PartitionConfig, PartitionResources):
    """A partition's configuration completed with what Slurm reports."""

    model_config = ConfigDict(frozen=True, extra="allow")

    gpu: str
    max_ngpus: NonNegativeInt
    max_nprocs: PositiveInt
    max_runtime: PositiveInt


class PartitionsTrait(RootModel[dict[str, PartitionConfig]]):
    """The value of `MOSlurmSpawner.partitions`: partition names and their configuration."""

    model_config = ConfigDict(frozen=True)


def _duration(text: str) -> str:
    if text and not parse_timelimit(text):
        raise ValueError("must be longer than nothing: Slurm reads 0 as no limit")
    return text


_Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(grammar.printable)]


class ChosenOptions(BaseModel):
    """What a person may choose, checked field by field."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    partition: Annotated[_Text, Field(min_length=1)]
    runtime: Annotated[_Text, AfterValidator(_duration)] = ""
    nprocs: PositiveInt = 1
    memory: Annotated[_Text, AfterValidator(grammar.memory)] = ""
    ngpus: NonNegativeInt = 0
    gpu_type: Annotated[_Text, AfterValidator(grammar.gpu_type)] = ""
    account: Annotated[_Text, AfterValidator(grammar.account)] = ""
    qos: Annotated[_Text, AfterValidator(grammar.qos)] = ""
    options: _Text = ""
    reservation: Annotated[_Text, AfterValidator(grammar.reservation)] = ""
    environment_id: _Text = ""
    environment_path: Annotated[_Text, AfterValidator(grammar.environment_path)] = ""
    environment_modules: Annotated[_Text, AfterValidator(grammar.module_names)] = ""
    root_dir: _Text = ""
    default_url: Annotated[_Text, AfterValidator(grammar.default_url)] = ""


# the other keys are those that hooks of existing configurations know
_LEFT_OUT_UNLESS_CHOSEN = frozenset({"gpu_type", "account", "qos"})


class UserOptions(ChosenOptions):
    """What a user asked for, checked field by field; partition limits are checked afterwards.

    `gres` and `prologue` are the server's own: they are computed, never taken from a request.
    """

    model_config = ConfigDict(extra="ignore")

    output: str = "/dev/null"
    gres: str = ""
    prologue: str = ""

    @model_serializer(mode="wrap")
    def _without_unused(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = serialize(self)
        return {key: value for key, value in dumped.items() if value or key not in _LEFT_OUT_UNLESS_CHOSEN}

    @field_validator("output", mode="before")
    @classmethod
    def _only_two_outputs(cls, value: Any) -> str:
        return "slurm-%j.out" if value in (True, "true", "slurm-%j.out") else "/dev/null"


class ProfileConfig(ChosenOptions):
    """A profile as configured: choices that fill in the form together."""

    model_config = ConfigDict(extra="forbid")

    description: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    """Text beside the profile's name."""
    output: bool = False
    """Whether the server's log is kept."""

    def fields(self) -> dict[str, str]:
        """The fields of the form that the profile fills in; the others keep their defaults."""
        chosen = self.model_dump(exclude_unset=True, exclude={"description", "output"})
        return {name: str(value) for name, value in chosen.items()} | ({"output": "true"} if self.output else {})


class ProfilesTrait(RootModel[dict[str, ProfileConfig]]):
    """The value of `MOSlurmSpawner.profiles`: names and their choices."""

    model_config = ConfigDict(frozen=True)
