"""The spawner: JupyterHub's calls on one side, Slurm's commands on the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from batchspawner import format_template  # type: ignore[import-untyped]
from jupyterhub.utils import url_path_join  # type: ignore[import-untyped]
from pydantic import ValidationError
from traitlets import Enum, List, Unicode, validate

from jupyterhub_moss.choices import ChoosingSpawner, Filling, NamedChoice, checked_name
from jupyterhub_moss.cluster import ClusterSpawner
from jupyterhub_moss.credentials import RedactedLog, tokens_of
from jupyterhub_moss.ending import EndingSpawner
from jupyterhub_moss.errors import ConfirmLink, SpawnRefused, SubmissionError
from jupyterhub_moss.extra_options import DEFAULT_ALLOWED_OPTIONS
from jupyterhub_moss.files import local_path
from jupyterhub_moss.handlers import TIME_LEFT_PATTERN, TimeLeftHandler, add_handler, replace_port_handler
from jupyterhub_moss.insight import ExplainingSpawner
from jupyterhub_moss.job import Job, first_values, resolve_job
from jupyterhub_moss.links import KNOWN_KEYS, NAMING_KEYS, from_elsewhere, is_plain, option_names
from jupyterhub_moss.models import PartitionsTrait
from jupyterhub_moss.page import live_resources, render_page
from jupyterhub_moss.partitions import Partition
from jupyterhub_moss.problems import problems_of
from jupyterhub_moss.quoting import literal_format, shell_words
from jupyterhub_moss.remembered import last_choice
from jupyterhub_moss.resources_handler import RESOURCES_PATTERN, ResourcesHandler
from jupyterhub_moss.script import with_directives
from pentad_config import ConfigError, Secret

replace_port_handler()
add_handler(RESOURCES_PATTERN, ResourcesHandler)
add_handler(TIME_LEFT_PATTERN, TimeLeftHandler)


def _packaged_script() -> str:
    return Path(local_path("batch_script.sh")).read_text(encoding="utf-8")


class MOSlurmSpawner(ClusterSpawner, ChoosingSpawner, EndingSpawner, ExplainingSpawner):
    """Starts Jupyter servers as Slurm jobs, with a page on which users choose partition and resources."""

    if TYPE_CHECKING:  # traits of JupyterHub's Spawner that are assigned here
        apply_user_options: Any
        default_url: str
        handler: Any
        ip: str
        log: Any
        orm_spawner: Any
        notebook_dir: str
        user_options: dict[str, Any]

    batch_script = Unicode(
        _packaged_script(), help="Jinja template of the job script; the default is `batch_script.sh`."
    ).tag(config=True)

    singularity_cmd = List(
        Unicode(), ["singularity", "exec"], help="Command that runs a program in a container image (.sif)."
    ).tag(config=True)

    allowed_options = List(
        Unicode(),
        list(DEFAULT_ALLOWED_OPTIONS),
        help="sbatch options, without dashes, that users may add in the field `options`.",
    ).tag(config=True)

    link_spawn = Enum(
        ["plain", "always", "never"],
        "plain",
        help="""Which links start a server without the form: `plain` those with only resources and a configured
        environment, and not from another site; `always` every valid one; `never` none.""",
    ).tag(config=True)

    _job: Job | None = None
    _tokens: Sequence[Secret] = ()
    _filling = Filling()
    _refused_named: "MOSlurmSpawner | None" = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log = RedactedLog(self.log)
        self.options_form = self.create_options_form
        self.check_profiles()
        # a start replaces both with the user's choice; one without a choice gets the configured values again
        self._configured_pages = (self.default_url, self.notebook_dir)
        # start() replaces it by the node's name
        self._configured_ip = self.ip
        # the trait exists since JupyterHub 5.3; start() makes the same check whether or not this ran
        if self.has_trait("apply_user_options") and not self.apply_user_options:
            self.apply_user_options = self.check_user_options

    @validate("partitions")
    def _complete_partition_config(self, proposal: Any) -> dict[str, Any]:
        try:
            validated: dict[str, Any] = PartitionsTrait.model_validate(proposal["value"]).model_dump()
        except ValidationError as error:
            raise ConfigError(problems_of(error, "c.MOSlurmSpawner.partitions")) from None
        return validated

    def get_env(self) -> dict[str, Any]:
        """The environment of the job; the token in it is kept out of everything that is logged or shown."""
        env: dict[str, Any] = super().get_env()
        if self._tokens != (tokens := tokens_of(env)):
            self._tokens = tokens
        return env

    # The page

    @staticmethod
    async def create_options_form(spawner: "MOSlurmSpawner") -> str:
        """The HTML of the form for this spawner's user; the hub calls it as `options_form`."""
        return await spawner.render_options_form()

    async def render_options_form(self) -> str:
        """The HTML of the form, filled in once with what a link, a profile or a refused form contained."""
        if named := self._take_refused_named():
            return await named.render_options_form()
        partitions, facts = await self._available()
        filling, self._filling = self._filling, Filling()
        if not filling.origin and (last := last_choice(self._last_options(), partitions)):
            filling = Filling(last, "last")
        return render_page(
            partitions,
            facts=facts,
            missing=self._missing(facts),
            base_url=self.hub.base_url,
            template_path=self.user.settings.get("template_path", ()),
            filling=filling,
            named=await self._named_choices(partitions),
            accounts=await self.accounts(),
            resources_url=url_path_join(self.hub.base_url, "api/users", quote(self.user.name), "moss/resources"),
            refresh_seconds=max(5, self.slurm_info_max_age),
            link_spawn=self.link_spawn,
        )

    def _take_refused_named(self) -> "MOSlurmSpawner | None":
        """The named server whose form is to be shown: after a refusal the hub asks the default server for it."""
        named, self._refused_named = self._refused_named, None
        is_visited = self.handler is not None and not self.handler._finished  # noqa: SLF001  # tornado has no other word
        return None if self._filling.origin or is_visited else named

    async def _named_choices(self, partitions: Mapping[str, Partition]) -> list[NamedChoice]:
        """The profiles that this user may start, and what the user has kept."""
        named = []
        for name, fields in self.profile_fields().items():
            try:
                await self._resolve_among(fields, partitions)
            except SpawnRefused:
                continue
            named.append(NamedChoice("profile", name, self.profiles[name].get("description", "")))
        return [*named, *(NamedChoice("choice", name) for name in self.kept_names())]

    def _last_options(self) -> Mapping[str, Any]:
        # a hub that has been started anew knows them from its database only
        return self.user_options or getattr(self.orm_spawner, "user_options", None) or {}

    async def live_resources(self) -> dict[str, Any]:
        """What an open page shows anew: the partitions, how old that is, and what to say about it."""
        partitions, facts = await self._available()
        return live_resources(partitions, facts, self._missing(facts))

    # Requests: form, link and REST API

    async def _resolve(self, raw: Mapping[str, Any]) -> Job:
        partitions, _facts = await self._available()
        return await self._resolve_among(raw, partitions)

    async def _resolve_among(self, raw: Mapping[str, Any], partitions: Mapping[str, Partition]) -> Job:
        allowed = self.allowed_options
        job = resolve_job(raw, partitions, default_prologue=self.req_prologue, allowed_options=allowed)
        await self.check_account(job.options)
        return job

    async def _resolve_or_show_again(self, options: Mapping[str, Any]) -> Job:
        try:
            return await self._resolve(options)
        except SpawnRefused:
            self._fill_in(options, "refused")
            raise

    def _fill_in(self, options: Mapping[str, Any], origin: Literal["link", "refused"]) -> None:
        shown = KNOWN_KEYS if origin == "link" else {*KNOWN_KEYS, "keep_as"}
        self._filling = Filling({key: value for key, value in options.items() if key in shown}, origin)
        default = self._keeper()
        if origin == "refused" and default is not self and isinstance(default, MOSlurmSpawner):
            default._refused_named = self  # noqa: SLF001  # another spawner of the same class

    async def options_from_form(self, formdata: Mapping[str, Any]) -> dict[str, Any]:
        """Check a submitted form; the result is stored by the hub and becomes `user_options`."""
        fields = first_values(formdata)
        job = await self._resolve_or_show_again(fields)
        options = job.options.model_dump()
        try:
            self.keep(options, name=checked_name(fields.get("keep_as", "")), forgotten=formdata.get("forget", ()))
        except SpawnRefused:
            self._fill_in(fields, "refused")
            raise
        return options

    async def options_from_query(self, query_data: Mapping[str, Any]) -> dict[str, Any]:
        """Check a link like a form; one that may not start a server shows the form filled in."""
        options = first_values(option_names(query_data))
        if key := next((key for key in NAMING_KEYS if key in options), None):
            partitions, _facts = await self._available()
            self._filling = Filling(self.named_fields(key, options[key], partitions), "named", (key, options[key]))
            raise ConfirmLink
        if not KNOWN_KEYS.intersection(options):
            raise ConfirmLink
        if not self._may_start_at_once(options):
            self._fill_in(options, "link")
            raise ConfirmLink
        job = await self._resolve_or_show_again(options)
        return job.options.model_dump()

    def _may_start_at_once(self, options: Mapping[str, Any]) -> bool:
        if self.link_spawn != "plain":
            return bool(self.link_spawn == "always")
        if self.handler is not None and from_elsewhere(self.handler.request):
            return False
        partition = self.partitions.get(options.get("partition", ""), {})
        return is_plain(options, partition.get("jupyter_environments", {}))

    @staticmethod
    async def check_user_options(spawner: "MOSlurmSpawner", user_options: Mapping[str, Any]) -> None:
        """Refuse options that may not start a job; the hub calls it as `apply_user_options`."""
        await spawner._resolve(user_options)  # noqa: SLF001  # the hub's hooks are functions of the spawner

    # The job

    async def start(self) -> Any:
        """Submit the job and wait until its server has reported its port."""
        # again at this place: user_options also come from the REST API and from earlier starts
        self._job = await self._resolve(self.user_options)
        options = self._job.options
        self.user_options = options.model_dump()
        configured_url, configured_dir = self._configured_pages
        self.default_url = literal_format(options.default_url) or configured_url
        self.notebook_dir = literal_format(options.root_dir) or configured_dir
        return await super().start()

    def cmd_formatted_for_batch(self) -> str:
        """The command line in the job script: the wrapper that finds a port, then the server."""
        if self._job is None:
            return str(super().cmd_formatted_for_batch())
        environment = self._job.environment
        wrapper, (server, *arguments) = self.batchspawner_singleuser_cmd, self.cmd
        if environment.is_container:
            wrapper = f"{shell_words([*self.singularity_cmd, environment.path])} {wrapper}"
        else:
            wrapper, server = environment.command(wrapper), environment.command(server)
        return " ".join([wrapper, server, *arguments, *self.get_args()])

    async def _get_batch_script(self, **subvars: Any) -> str:
        if self._job is None:
            return str(format_template(self.batch_script, **subvars))
        script = str(format_template(self.batch_script, **{**subvars, **self._job.script_variables()}))
        # also in a script of the site's own, and after its directives, where they win
        return with_directives(script, self._job.accounting_directives())

    async def submit_batch_script(self) -> str:
        """Hand the job script to Slurm and keep the job's id; `SubmissionError` has Slurm's own sentence."""
        self.ip = self._configured_ip
        environment = self.get_env()
        self.req_keepvars = ",".join(environment)
        subvars = self.get_req_subvars()
        script = await self._get_batch_script(**subvars, cmd=self.cmd_formatted_for_batch())
        # the environment holds the server's token: neither it nor its values are logged
        self.log.info("Submitting a job for %s", self._log_name)
        try:
            await self._hand_in(script, environment)
        except SubmissionError:
            self._fill_in(self.user_options, "refused")
            raise
        return str(self.job_id)
