"""From a request to the values in the job script."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyterhub_moss.errors import InvalidOptionsError, LimitError, UnavailablePartitionError
from jupyterhub_moss.extra_options import DEFAULT_ALLOWED_OPTIONS, parse_options
from jupyterhub_moss.facts import Facts
from jupyterhub_moss.job import first_values, resolve_job
from jupyterhub_moss.models import PartitionAllResources
from jupyterhub_moss.partitions import complete_partitions
from jupyterhub_moss.quoting import double_quoted, shell_path, shell_words
from jupyterhub_moss.utils import create_prologue

ENVIRONMENTS = {
    "default": {"description": "Default", "path": "$HOME/env/bin", "prologue": "echo start"},
    "modules": {"description": "Modules", "modules": "JupyterLab/4.2 R", "add_to_path": False},
}
CONFIG = {"cpu": {"jupyter_environments": ENVIRONMENTS}, "gpu": {"jupyter_environments": ENVIRONMENTS}}
SIZE = {"nnodes_total": 1, "nnodes_idle": 1, "ncores_total": 8, "ncores_idle": 8, "max_runtime": 7200}
RESOURCES = {
    "cpu": PartitionAllResources(max_nprocs=8, max_mem=16000, gpu="", max_ngpus=0, **SIZE),
    "gpu": PartitionAllResources(max_nprocs=8, max_mem=16000, gpu="gpu:V100:{}", max_ngpus=2, **SIZE),
}
PARTITIONS = complete_partitions(CONFIG, Facts(RESOURCES, 0, "", known=True))
UNKNOWN = complete_partitions(CONFIG, Facts({}, 0, "no answer", known=False))


def resolve(partitions=PARTITIONS, **raw):
    return resolve_job(
        {"partition": "cpu", **raw},
        partitions,
        default_prologue="# site",
        allowed_options=DEFAULT_ALLOWED_OPTIONS,
    )


def test_the_first_environment_is_chosen_when_none_is_named():
    """Without id, path or modules a job starts the partition's first environment."""
    job = resolve()
    assert job.options.environment_id == "default"
    assert job.options.prologue == '# site\necho start\nexport PATH="$HOME/env/bin:$PATH"'


def test_a_configured_environment_replaces_what_was_sent_with_it():
    """A known id wins over a path and modules in the same request."""
    job = resolve(environment_id="modules", environment_path="/evil", environment_modules="evil")
    assert (job.options.environment_path, job.options.environment_modules) == ("", "JupyterLab/4.2 R")
    assert job.options.prologue == "# site\nmodule load JupyterLab/4.2 R"


def test_a_custom_environment_is_added_to_path():
    """An unknown id with a path is the user's own environment."""
    job = resolve(environment_id="custom-1", environment_path="/my env/$x")
    assert job.options.prologue == '# site\nexport PATH="/my env/\\$x:$PATH"'
    assert job.environment.command("jupyter") == "'/my env/$x/jupyter'"


def test_an_unknown_environment_alone_is_an_error():
    """An id that is not configured does not silently start whatever is on PATH."""
    with pytest.raises(InvalidOptionsError, match="nosuch"):
        resolve(environment_id="nosuch")


def test_gpus_become_a_gres_request():
    """The template of the partition is filled in with the number."""
    assert resolve(partition="gpu", ngpus="2").options.gres == "gpu:V100:2"


@pytest.mark.parametrize(
    "raw", [{"nprocs": 9}, {"ngpus": 1}, {"runtime": "2:00:01"}, {"memory": "16G"}, {"runtime": "infinite"}]
)
def test_more_than_the_partition_has_is_refused(raw):
    """CPUs, GPUs, memory and time are limited."""
    with pytest.raises(LimitError):
        resolve(**raw)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"nprocs": 9}, AssertionError),
        ({"ngpus": 1}, AssertionError),
        ({"runtime": "3:00:00"}, AssertionError),
        ({"nprocs": "two"}, ValueError),
        ({"partition": "long"}, RuntimeError),
    ],
)
def test_refusals_are_of_the_kinds_that_hooks_catch(raw, kind):
    """Of Python's own: limits, malformed values, partitions."""
    with pytest.raises(kind):
        resolve(**raw)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"nprocs": "two"}, "nprocs: must be a whole number"),
        ({"nprocs": 2.5}, "nprocs: must be a whole number"),
        ({"nprocs": 0}, "nprocs: must be more than 0"),
        ({"ngpus": "-1"}, "ngpus: must be at least 0"),
        ({"partition": ""}, "partition: is required"),
        ({"partition": None}, "partition: is required"),
        ({"root_dir": ["/x"]}, "root_dir: must be a text"),
        ({"root_dir": "/\ud800"}, "root_dir: must be a text"),
        ({"reservation": "a b"}, "reservation: 'a b' is not a reservation name: letters, digits and _ . : @ + - are allowed"),
        ({"nprocs": "", "ngpus": "x", "memory": "8GB"}, "memory: '8GB' is not an amount of memory: "
         "write a number and K, M, G or T, as in 8G; ngpus: must be a whole number"),
    ],
)  # fmt: skip
def test_each_field_has_a_sentence_of_its_own(raw, sentence):
    """In words for a person."""
    with pytest.raises(InvalidOptionsError) as refusal:
        resolve(**raw)
    assert refusal.value.message == sentence


def test_limits_that_nobody_knows_do_not_refuse():
    """While Slurm has never answered, a request passes; Slurm decides."""
    assert resolve(UNKNOWN, nprocs=9, runtime="9:00:00").options.nprocs == 9


def test_an_unknown_partition_is_not_available():
    """The error says so and names the partitions that are."""
    with pytest.raises(UnavailablePartitionError, match=r"'long' is not available.*cpu, gpu"):
        resolve(partition="long")


@pytest.mark.parametrize("raw", [{"nprocs": 8}, {"memory": "0"}])
def test_a_whole_node_is_asked_for_exclusively(raw):
    """All CPUs or all memory of a node add --exclusive."""
    assert resolve(**raw, options="--nice=1").options.options == "--exclusive --nice=1"


def test_a_stored_result_is_a_valid_request():
    """The hub stores options and sends them again; nothing is added twice."""
    first = resolve(partition="gpu", nprocs="8", ngpus="1", output="true", options="-C avx", runtime="1:30")
    again = resolve(**first.options.model_dump())
    assert again.options == first.options


def test_server_owned_values_are_computed():
    """gres and prologue in a request are not believed."""
    job = resolve(gres="gpu:8", prologue="touch /tmp/owned")
    assert job.options.gres == ""
    assert "owned" not in job.options.prologue


def test_sbatch_reads_the_time_that_the_user_meant():
    """1:30 is an hour and a half for the user, so sbatch is told 1:30:00."""
    assert resolve(runtime="1:30").script_variables()["runtime"] == "1:30:00"


def test_a_forms_first_values_count():
    """Values are stripped, the first of a key counts, and mem is memory unless that is given."""
    assert first_values({"mem": [" 8G "], "partition": ["a", "b"], "file": [{}]}) == {
        "mem": "8G", "memory": "8G", "partition": "a",
    }  # fmt: skip


@pytest.mark.parametrize(
    "options",
    ["--partition=long", "-p long", "-plong", "--part=long", "--time=9", "-t9", "--gres=gpu:9", "-G 4", "--mem 0",
     "-A other", "--account=x", "--qos=big", "--wrap=id", "-N2", "-n 4", "--nodes=2", "--uid=0", "--output=/x", "script.sh",
     "--comment='a b'", '--comment=a"', "--nice", "--constraint=a#b", "--", "-"],
)  # fmt: skip
def test_options_that_could_overrule_the_form_are_refused(options):
    """Managed, abbreviated, unlisted and unquotable options do not pass."""
    with pytest.raises(ValueError):
        parse_options(options)


def test_allowed_options_are_written_in_one_way():
    """Short options become long ones and values are joined with an equals sign."""
    assert parse_options("-C 'a&b|c' --exclude=n[1-3] --no-requeue -x n4") == (
        "--constraint=a&b|c", "--exclude=n[1-3]", "--no-requeue", "--exclude=n4",
    )  # fmt: skip


def test_a_site_can_allow_an_account_but_never_a_managed_option():
    """The list of allowed options adds to what is possible; partition and time stay the form's."""
    assert parse_options("--account=x", ["account"]) == ("--account=x",)
    with pytest.raises(ValueError, match="'partition'"):
        parse_options("--partition=x", ["partition"])


def echo(command):
    return subprocess.run(["bash", "-uc", command], capture_output=True, check=True, text=True).stdout


NASTY = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30)


@given(NASTY)
def test_a_quoted_word_is_the_word(text):
    """bash passes quoted text on unchanged, whatever is in it: as a word, and inside double quotes."""
    assert shlex.split(shell_words([text, "b"])) == [text, "b"]
    assert shlex.split(shell_path(text)) == [text]


def test_bash_runs_nothing_in_quoted_text():
    """What looks like a substitution is printed, not run."""
    text = "$(id) `id` ${HOME} \"x\" 'y' \\ ; & | > $HOME !"
    assert echo(f"printf %s {shell_path(text)}") == text
    assert echo(f'printf %s "{double_quoted(text)}"') == text


def test_only_variables_of_the_configuration_are_expanded():
    """In an administrator's path $HOME and ~/ are the job's; a command substitution stays text."""
    home = echo("printf %s $HOME")
    assert echo(f"printf %s {shell_path('~/$(id)', expand_variables=True)}") == f"{home}/$(id)"
    assert echo(f"printf %s {shell_path('${HOME}/`id`', expand_variables=True)}") == f"{home}/`id`"


FIELDS = ["partition", "runtime", "memory", "options", "reservation", "environment_id", "environment_path",
          "environment_modules", "root_dir", "default_url", "output", "nprocs", "ngpus"]  # fmt: skip


@given(st.sampled_from(FIELDS), st.text(max_size=40))
def test_no_text_in_any_field_begins_a_line_of_the_job_script(field, text):
    """Whatever passes, each value stays within its line and a directive has no word of its own in it."""
    try:
        variables = resolve(**{field: text}).script_variables()
    except (InvalidOptionsError, LimitError, UnavailablePartitionError):
        return
    for name, value in variables.items():
        if name == "prologue":
            continue
        assert len(str(value).splitlines()) <= 1
        assert name in {"options", "environment_modules"} or len(shlex.split(str(value))) <= 1


@settings(max_examples=60, deadline=None)
@given(NASTY.map(lambda text: "/" + text.replace(":", "")))
def test_a_custom_path_reaches_the_prologue_as_data(path):
    """The prologue exports exactly the path that was sent."""
    if path.strip().endswith(".sif"):
        return
    try:
        job = resolve(environment_path=path)
    except InvalidOptionsError:
        return
    line = job.options.prologue.splitlines()[-1]
    assert echo(f'PATH=before; {line}; printf %s "$PATH"') == f"{path.strip()}:before"


def test_a_prologue_has_its_parts_in_order_and_nothing_for_empty_ones():
    """Default, environment, modules, PATH; a container image is not put in PATH."""
    assert create_prologue("a", "b", "/p", "m n") == 'a\nb\nmodule load m n\nexport PATH="/p:$PATH"'
    assert create_prologue("a", "", "", "") == "a"
    assert create_prologue("", "b", "/image.sif", "") == "\nb"
