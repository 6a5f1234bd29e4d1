"""Choices under a name: the administrator's profiles and what users keep."""

import asyncio
from types import SimpleNamespace

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.errors import ConfirmLink, SpawnRefused
from jupyterhub_moss.facts import shared_access
from pentad_config import ConfigError

ENVIRONMENTS = {"default": {"description": "Env", "path": "/env/bin"}}
PARTITIONS = {name: {"jupyter_environments": ENVIRONMENTS} for name in ("cpu", "gpu")}
PROFILES = {
    "Small": {"description": "A first look", "partition": "cpu", "nprocs": 2, "runtime": "2:00:00"},
    "GPU day": {"partition": "gpu", "ngpus": 1, "memory": "8g", "output": True, "runtime": "24:00:00"},
    "Too large": {"partition": "cpu", "nprocs": 99},
    "Chemists": {"partition": "cpu", "account": "chem"},
}
SINFO = "printf 'cpu 0/1/0/1 8 0/8/0/8 (null) 16000 1-00:00:00\\ngpu 0/1/0/1 8 0/8/0/8 gpu:A100:2 16000 1-00:00:00\\n'"


@pytest.fixture(autouse=True)
def nothing_known():
    shared_access.forget()


def choosing(**traits):
    """A spawner of a user whose only account is physics, and whose state the hub stores."""
    accounts = "echo 'root|physics||normal,high'"
    usual = {"partitions": PARTITIONS, "slurm_info_cmd": SINFO, "profiles": PROFILES, "slurm_accounts_cmd": accounts}
    spawner = make_spawner("root", exec_prefix="env MOSS_USER={username}", **{**usual, **traits})
    spawner.user.db = SimpleNamespace(commit=lambda: None)
    spawner.orm_spawner = SimpleNamespace(name="", state=None, user_options=None, server=None)
    return spawner


def page_of(spawner, **query):
    """The page to which a link leads that may not start anything."""

    async def visit():
        with pytest.raises(ConfirmLink):
            await spawner.options_from_query({name: [value] for name, value in query.items()})
        return await spawner.render_options_form()

    return asyncio.run(visit())


@pytest.mark.parametrize("prefix", ["opt-", ""])
def test_a_profile_fills_in_the_form_and_starts_nothing(prefix):
    """Also with values that a link could start at once; the fields are as a person would have typed them."""
    page = page_of(choosing(link_spawn="always"), **{f"{prefix}profile": "GPU day"})
    assert 'value="gpu" selected' in page
    assert 'name="mem" placeholder="partition\'s default"' in page
    assert 'value="8G"' in page
    assert 'name="output" value="true" checked' in page
    assert 'aria-current="true">GPU day' in page
    assert 'data-prefilled="false" data-remembered="true"' in page


def test_only_profiles_that_the_user_may_start_are_shown():
    """One with too many CPUs, and one for an account of others, are not; a partition that is gone takes its own along."""
    page = asyncio.run(choosing().render_options_form())
    assert ">Small <span" in page
    assert ">GPU day</a>" in page
    assert "Too large" not in page
    assert "Chemists" not in page
    without_gpus = "echo cpu 0/1/0/1 8 0/8/0/8 '(null)' 16000 1-00:00:00"
    spawner = choosing(slurm_info_cmd=without_gpus)
    assert "GPU day" not in asyncio.run(spawner.render_options_form())
    with pytest.raises(SpawnRefused, match="no profile named 'GPU day' that can be used"):
        asyncio.run(spawner.options_from_query({"profile": ["GPU day"]}))


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        ({"A": {"partition": "nowhere"}}, "profiles.A.partition: 'nowhere' is not configured"),
        ({"A": {"partition": "cpu", "environment_id": "x"}}, "profiles.A.environment_id: 'x' is not configured"),
        ({"A": {"nprocs": 1}}, "profiles.A.partition"),
        ({"A": {"partition": "cpu", "ncpus": 1}}, "profiles.A.ncpus"),
        ({"A": {"partition": "cpu", "memory": "lots"}}, "profiles.A.memory"),
        ({"A": {"partition": "cpu", "gres": "gpu:9"}}, "profiles.A.gres"),
    ],
)
def test_a_mistake_in_a_profile_is_an_error_of_the_configuration(profiles, words):
    """It names the profile and the key."""
    with pytest.raises(ConfigError, match=words):
        choosing(profiles=profiles)


def submit(spawner, **fields):
    values = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    return asyncio.run(spawner.options_from_form({"partition": ["cpu"], **values}))


def test_a_choice_is_kept_with_the_start_and_outlives_server_and_hub():
    """It is offered by name afterwards, and gone when it was removed."""
    spawner = choosing()
    submit(spawner, nprocs="3", keep_as="  My three ")
    spawner.clear_state()  # as when the server ends
    assert spawner.orm_spawner.state["kept_choices"]["My three"]["nprocs"] == 3
    later = choosing()
    later.load_state(spawner.orm_spawner.state)
    page = page_of(later, choice="My three")
    assert 'name="nprocs"\n                   value="3"' in page
    submit(later, forget=["My three"])
    assert later.get_state().get("kept_choices") is None
    with pytest.raises(SpawnRefused, match="no choice of yours named 'My three'"):
        asyncio.run(later.options_from_query({"choice": ["My three"]}))


@pytest.mark.parametrize("fields", [{"keep_as": "x" * 61}, {"keep_as": "a\nb"}, {"keep_as": "x", "nprocs": "99"}])
def test_nothing_is_kept_of_a_refused_form(fields):
    """Neither with a name that cannot be one nor with options that cannot start; the form shows the name again."""
    spawner = choosing()
    with pytest.raises(SpawnRefused):
        submit(spawner, **fields)
    assert not spawner.kept_choices
    assert fields["keep_as"].split("\n")[0] in asyncio.run(spawner.render_options_form())


def test_a_link_keeps_nothing():
    """A link is somebody else's: what it says about names has no effect."""
    spawner = choosing(link_spawn="always")
    asyncio.run(spawner.options_from_query({"partition": ["cpu"], "keep_as": ["theirs"]}))
    assert not spawner.kept_choices


def test_twenty_choices_are_kept_and_no_more():
    """The hub's database is not a user's store; removing one makes room."""
    spawner = choosing()
    for number in range(20):
        submit(spawner, keep_as=f"c{number}")
    with pytest.raises(SpawnRefused, match="at most 20"):
        submit(spawner, keep_as="one more")
    submit(spawner, keep_as="one more", forget=["c0"])
    assert len(spawner.kept_choices) == 20


def test_servers_of_a_user_share_the_kept_choices():
    """They are kept with the default server, whichever server's form they come from."""
    default, named = choosing(), choosing()
    named.orm_spawner.name = "second"
    named.user.spawners = {"": default, "second": named}
    submit(named, keep_as="shared")
    assert list(default.kept_choices) == ["shared"]
    assert "opt-choice=shared" in asyncio.run(named.render_options_form())


def test_a_refused_form_of_a_named_server_comes_back_filled_in():
    """The hub asks the default server for it, whose own form is shown empty when that is visited."""
    default, named = choosing(), choosing()
    named.orm_spawner.name = "second"
    named.user.spawners = {"": default, "second": named}
    refused = 'name="nprocs"\n                   value="99"'

    def form():
        return asyncio.run(default.render_options_form())

    for visited in (False, True):
        with pytest.raises(SpawnRefused):
            submit(named, nprocs="99")
        default.handler = SimpleNamespace(_finished=not visited)
        assert (refused in form()) is not visited
        default.handler = None
        assert refused not in form()


@pytest.mark.parametrize(
    ("asked", "directives"),
    [
        ({"account": "physics"}, ["--account=physics"]),
        ({"qos": "high"}, ["--qos=high"]),
        ({"account": "physics", "qos": "normal"}, ["--account=physics", "--qos=normal"]),
        ({}, []),
    ],
)
def test_the_users_own_account_and_qos_reach_the_job(asked, directives):
    """Behind every other directive, so that none overrides them, also in a script of the site's own."""
    spawner = choosing(batch_script="#!/bin/sh\n#SBATCH {{options}}\nsleep 1\n", allowed_options=["account"])
    options = submit(spawner, options="--account=theirs", **asked)
    spawner._job = asyncio.run(spawner._resolve(options))
    script = asyncio.run(spawner._get_batch_script(**spawner.get_req_subvars(), cmd="x"))
    lines = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert lines == ["--account=theirs", *directives]
    assert {"account", "qos"} & set(options) == set(asked), "hooks of existing configurations see no new keys"


@pytest.mark.parametrize(
    "asked", [{"account": "chem"}, {"qos": "big"}, {"account": "physics", "qos": "big"}, {"account": "a b"}]
)
def test_an_account_or_qos_of_others_is_refused_in_every_way(asked):
    """Form, link and REST."""
    spawner = choosing(link_spawn="always")
    with pytest.raises(SpawnRefused, match="account|qos"):
        submit(spawner, **asked)
    with pytest.raises(SpawnRefused):
        asyncio.run(
            spawner.options_from_query({"partition": ["cpu"], **{key: [value] for key, value in asked.items()}})
        )
    with pytest.raises(SpawnRefused):
        asyncio.run(spawner.check_user_options(spawner, {"partition": "cpu", **asked}))


def test_an_account_is_left_to_slurm_while_accounting_is_silent(caplog):
    """The form has no chooser, and an account that cannot be checked is not passed on; the log says so once."""
    caplog.set_level("INFO")
    spawner = choosing(slurm_accounts_cmd="false")
    pages = [asyncio.run(spawner.render_options_form()) for _ in range(3)]
    assert not any('id="account"' in page for page in pages)
    assert caplog.text.count("accounts of users") == 1
    with pytest.raises(SpawnRefused, match="leave them to Slurm"):
        submit(spawner, account="physics")


def test_a_link_with_an_account_is_confirmed():
    """It would be charged to somebody, so a person presses Start."""
    assert "Nothing has been started yet" in page_of(choosing(), partition="cpu", account="physics")
