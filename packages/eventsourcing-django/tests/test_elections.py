"""Which of several processes runs a follower."""

import gc
import threading
from urllib.parse import quote, urlsplit

import pytest
from databases import ALIASES, added_database, kill_other_sessions, on_database
from django.core.management import call_command
from django.db import connections
from lossy_proxy import LossyProxy

from eventsourcing_django.election import NoElection, UnsupportedElectionError, election_in

each_database = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ALIASES if each != "default"]
)
on_servers = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ("postgres", "mariadb")]
)


@each_database
def test_one_of_two_elections_holds_a_follower(alias):
    """The other one has it as soon as the first one gives it up; other followers are not concerned."""
    one, other = election_in(alias), election_in(alias)
    one.renew(["Counters"])
    other.renew(["Counters", "Celebrations"])
    assert (one.held, other.held) == ({"Counters"}, {"Celebrations"})
    one.renew(["Counters"])
    assert one.held == {"Counters"}
    one.close()
    other.renew(["Counters", "Celebrations"])
    assert (one.held, other.held) == (set(), {"Counters", "Celebrations"})
    other.close()


def test_a_database_that_stays_away_costs_no_memory(postgres_database, django_db_blocker):
    """A thread that asks for a long time keeps none of the connections that it could not make."""

    def connections_kept():
        gc.collect()  # they refer to themselves
        return sum(type(each).__name__ == "DatabaseWrapper" for each in gc.get_objects())

    def ask():
        election = election_in("away")
        election.renew(["Counters"])
        proxy.close()
        election.renew(["Counters"])
        before = connections_kept()
        for _ in range(5):
            election.renew(["Counters"])
        kept.append((election.error, connections_kept() - before))
        connections["away"].close()

    url, kept = urlsplit(postgres_database), []
    proxy = LossyProxy(url.hostname, url.port)
    through_proxy = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()
    with django_db_blocker.unblock(), added_database("away", through_proxy):
        call_command("migrate", "eventsourcing_django", database="away", verbosity=0)
        connections["away"].close()
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert kept == [("OperationalError", 0)]


def test_databases_of_a_server_have_elections_of_their_own(mariadb_service, django_db_blocker):
    """Two projects may have followers of the same name, and a lock's name is known in the whole server of MariaDB."""
    elsewhere = f"{mariadb_service.url.rpartition('/')[0]}/information_schema"
    with (
        django_db_blocker.unblock(),
        added_database("here", mariadb_service.url),
        added_database("elsewhere", elsewhere),
    ):
        elections = [election_in("here"), election_in("elsewhere")]
        for election in elections:
            election.renew(["Counters"])
        held = [election.held.copy() for election in elections]
        for election in elections:
            election.close()
    assert held == [{"Counters"}, {"Counters"}]


@on_database("file")
def test_the_name_of_a_sqlite_file_may_be_a_uri(tmp_path):
    """Whoever names the file so meets in the same lock beside it as those who name its path."""
    path = tmp_path / "two words.sqlite3"
    with added_database("path", f"sqlite://{path}"), added_database("uri", "sqlite://"):
        connections["uri"].settings_dict["NAME"] = f"file:{quote(str(path))}?cache=private"
        one, other = election_in("path"), election_in("uri")
        one.renew(["Counters"])
        other.renew(["Counters"])
        held = one.held.copy(), other.held.copy()
        one.close()
        other.close()
    assert held == ({"Counters"}, set())
    assert len(list(tmp_path.glob("two words.sqlite3-*.lock"))) == 1


@on_database("file")
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    """Whoever can write beside the database does not have the daemon make files elsewhere."""
    with added_database("linked", f"sqlite://{tmp_path}/events.sqlite3"):
        election = election_in("linked")
        election.renew(["Counters"])
        election.close()
        (lock,) = tmp_path.glob("*.lock")
        lock.unlink()
        lock.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="lock"):
            election.renew(["Counters"])
    assert not (tmp_path / "elsewhere").exists()


@on_servers
def test_a_lost_session_loses_the_election(alias):
    """It is noticed at the next look, and the other one may have it meanwhile."""
    one, other = election_in(alias), election_in(alias)
    one.renew(["Counters"])
    kill_other_sessions(alias)
    other.renew(["Counters"])
    one.renew(["Counters"])
    assert one.held == set()
    one.renew(["Counters"])
    assert (one.held, other.held) == (set(), {"Counters"})
    one.close()
    other.close()


def test_memory_needs_no_election():
    """Nobody else can see the database."""
    assert isinstance(election_in("default"), NoElection)


def test_a_database_without_a_lock_that_ends_with_the_process_is_an_error(monkeypatch):
    """The error names it."""
    monkeypatch.setattr(connections["default"], "vendor", "oracle", raising=False)
    with pytest.raises(UnsupportedElectionError, match="'default', which is a oracle database"):
        election_in("default")
