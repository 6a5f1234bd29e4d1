"""What slurmrestd may say and leave unsaid, and how it is reached; on the mock."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from batchspawner import JobStatus
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lone_spawner import forget_all
from test_rest_backend import script, submit
from traitlets.config import Config

from jupyterhub_moss import MOSlurmSpawner
from jupyterhub_moss.backend import NoAnswerError
from jupyterhub_moss.errors import SubmissionError
from jupyterhub_moss.facts import shared_access
from jupyterhub_moss.rest_client import Endpoint, RestError, _spoken, endpoint
from jupyterhub_moss.slurm_tokens import Credentials, account_of, signed_token
from pentad_config import ConfigError, Secret

ENVIRONMENT = {"GREETING": "hello"}


@pytest.fixture
def rest(rest_mock):
    forget_all()
    rest_mock.mock.faults.clear()
    yield rest_mock
    rest_mock.mock.faults.clear()
    if numbers := rest_mock.run("squeue -h -a -o %i").split():
        rest_mock.run(f"scancel {' '.join(numbers)}")


def asked(rest, method, ending=""):
    return sum(each["argv"][0] == method and each["argv"][1].endswith(ending) for each in rest.mock.calls("slurmrestd"))


@pytest.mark.parametrize("carried_out", ["at once", "later"])
def test_a_submission_without_an_answer_is_found_and_not_repeated(rest, carried_out):
    """slurmrestd died, or slurmctld hung: the job that Slurm has all the same is the server's."""
    spawner = rest.spawner(slurm_rest_timeout=5, submission_wait=300)
    asyncio.run(rest.spawner().slurm.rules())  # which version it speaks is known then
    order = rest.mock.faults.drop if carried_out == "at once" else rest.mock.faults.freeze
    order("slurmrestd", containing="submit")

    async def scenario():
        submission = asyncio.ensure_future(spawner._hand_in(script("--partition=cpu"), ENVIRONMENT))
        before = asked(rest, "GET", "jobs")
        while asked(rest, "GET", "jobs") == before:  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.05)
        rest.mock.faults.clear()
        await submission

    asyncio.run(scenario())
    assert rest.run("squeue -h -a -o '%i %j'") == f"{spawner.job_id} {spawner.job_name}"


def test_an_outage_is_no_end_of_a_job(rest):
    """Whatever is wrong with slurmrestd, Slurm or the token, nothing is known; afterwards the job is there."""

    async def scenario():
        spawner = rest.spawner()
        spawner.job_id = await submit(rest, "--partition=cpu")
        nowhere = rest.spawner(slurm_rest_url="http://127.0.0.1:1")
        nowhere.job_id = spawner.job_id
        assert await nowhere.query_job_status(max_age=0) is JobStatus.UNKNOWN
        rest.mock.faults.munge_down()
        assert await spawner.query_job_status(max_age=0) is JobStatus.UNKNOWN
        assert await spawner._query_alone() is JobStatus.UNKNOWN
        rest.mock.faults.clear()
        forget_all()
        assert await spawner.query_job_status(max_age=0) in {JobStatus.RUNNING, JobStatus.PENDING}

    asyncio.run(scenario())
    rest.jobs.clear()


def test_a_cancellation_that_slurm_did_not_hear_is_repeated(rest):
    """slurmrestd 24.11 says "Operation not permitted" where slurmctld was silent: that refuses nothing."""
    silence = {"err": "Operation not permitted", "code": 1, "containing": "DELETE"}

    async def scenario():
        spawner = rest.spawner()
        spawner.job_id = await submit(rest, "--partition=cpu")
        rest.mock.faults.fail("slurmrestd", times=1, **silence)
        before = asked(rest, "DELETE")
        await spawner.stop()
        assert asked(rest, "DELETE") == before + 2

    asyncio.run(scenario())
    assert rest.run("squeue -h -a -o %i") == ""
    rest.jobs.clear()


REFUSED = {
    "job_id": {"number": 7},
    "error": {"code": 2010, "string": "ESLURM_X", "message": "Access/permission denied"},
}


@pytest.mark.parametrize("code", [0, 2010])
def test_a_refusal_beside_an_answer_without_errors_is_one(rest, stranger, code):
    """As v0.0.42 tells of each job what became of it."""
    status = {**REFUSED, "error": {**REFUSED["error"], "code": code}}
    stranger.answer = (200, json.dumps({"status": [status], "errors": []}).encode(), {})
    slurm = rest.spawner(slurm_rest_url=f"http://127.0.0.1:{stranger.server_port}", slurm_rest_version="v0.0.42").slurm
    with pytest.raises(RestError, match="Access/permission denied") if code else contextlib.nullcontext():
        asyncio.run(slurm.cancel("7"))
    assert stranger.paths == ["/slurm/v0.0.42/job/7"]


def test_a_few_jobs_are_asked_for_alone_and_many_at_once(rest):
    """A large cluster's whole queue is not read for one server, nor are a hundred requests made for a hundred."""
    spawner = rest.spawner()

    def requests(count):
        asyncio.run(spawner.slurm.jobs([str(900000 + number) for number in range(count)]))
        return asked(rest, "GET"), asked(rest, "GET", "jobs")

    first, lists = requests(3)
    assert requests(3) == (first + 3, lists)
    assert requests(100) == (first + 4, lists + 1)


def test_the_newest_version_is_found_once(rest):
    """Versions are tried until one is there, and the one that was found is used from then on."""
    spawner = rest.spawner()
    asyncio.run(spawner.slurm.rules())
    tried = asked(rest, "GET", "ping")
    asyncio.run(spawner.slurm.rules())
    assert asyncio.run(spawner.slurm._client.version()) == "v0.0.38"
    assert asked(rest, "GET", "ping") == tried


def test_without_a_token_no_version_is_found(rest):
    """slurmrestd refuses before it looks at the address: that is no sign of a version."""
    _spoken.clear()
    with pytest.raises(RestError, match="token"):
        asyncio.run(rest.spawner(slurm_token=None).slurm.jobs(["1"]))
    assert asyncio.run(rest.spawner().slurm._client.version()) == "v0.0.38"


def test_another_version_than_slurm_has_is_no_answer(rest):
    """A configured version is used; that slurmrestd does not have it says nothing about jobs."""
    with pytest.raises(NoAnswerError, match="another version"):
        asyncio.run(rest.spawner(slurm_rest_version="v0.0.40").slurm.jobs(["1"]))


# The way to slurmrestd


@contextlib.asynccontextmanager
async def relayed(rest, start, *where, **options):
    """What connects there is connected with the mock's slurmrestd."""

    async def pump(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader, writer):
        host, _, port = rest.url.removeprefix("http://").partition(":")
        behind = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(OSError):
            await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    server = await start(relay, *where, **options)
    try:
        yield server
    finally:
        server.close()


def test_slurmrestd_is_reached_at_a_unix_socket(rest, tmp_path):
    """As `unix:/path`, in slurmrestd's own notation."""

    async def scenario():
        path = tmp_path / "slurmrestd.socket"
        async with relayed(rest, asyncio.start_unix_server, path):
            return await rest.spawner(slurm_rest_url=f"unix:{path}").slurm.rules()

    assert "restricted" in asyncio.run(scenario())


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "slurmrestd")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


def test_a_certificate_is_verified(rest, tmp_path):
    """A server whose certificate no known authority signed is sent nothing, unless its authority was configured."""
    path = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)

    async def scenario():
        async with relayed(rest, asyncio.start_server, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            before = asked(rest, "GET")
            with pytest.raises(NoAnswerError, match="certificate"):
                await rest.spawner(slurm_rest_url=url).slurm.rules()
            assert asked(rest, "GET") == before
            return await rest.spawner(slurm_rest_url=url, slurm_rest_ca=str(path)).slurm.rules()

    assert "restricted" in asyncio.run(scenario())


@pytest.fixture
def stranger():
    """A server that is no slurmrestd; it keeps the paths that it was asked for and answers as `answer` says."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            status, body, headers = self.server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_GET  # noqa: N815  # as http.server looks for it

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Stranger)
    server.paths = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        (302, b"", {"Location": "/elsewhere"}),
        (200, b"<html>Welcome", {}),
        (200, b"[]", {}),
        (502, b"X-SLURM-USER-TOKEN: echoed", {}),
        (200, b'{"errors": [{"error_number": -1, "error": "Unspecified error"}]}', {}),
        (500, b'{"errors": []}', {}),
        (502, b'{"status": 502, "error": "Bad Gateway"}', {}),
        (500, b'{"errors": 7, "status": ["x", {"error": "y"}]}', {}),
        (200, b"{}", {}),
        (200, b'{"jobs": [{"job_id": 1}]}', {}),
    ],
)
def test_what_is_no_answer_of_slurms_is_none(rest, stranger, answer):
    """A proxy's page, a redirection, which is not followed, or an error without a reason: nobody knows."""
    stranger.answer = answer
    spawner = rest.spawner(slurm_rest_url=f"http://127.0.0.1:{stranger.server_port}", slurm_rest_version="v0.0.38")
    with pytest.raises(NoAnswerError) as problem:
        asyncio.run(spawner.slurm.jobs(["1"]))
    assert stranger.paths == ["/slurm/v0.0.38/job/1"]
    assert "echoed" not in str(problem.value)


def test_what_is_asked_for_stays_below_its_address(rest, stranger):
    """An id is one part of a path, whatever is in it."""
    stranger.answer = (200, b'{"jobs": []}', {})
    spawner = rest.spawner(slurm_rest_url=f"http://127.0.0.1:{stranger.server_port}", slurm_rest_version="v0.0.38")
    assert asyncio.run(spawner.slurm.jobs(["../ping?x=#y"])) == {}
    assert stranger.paths == ["/slurm/v0.0.38/job/..%2Fping%3Fx%3D%23y"]


@pytest.mark.parametrize(("version", "flags"), [("v0.0.38", ""), ("v0.0.39", "?flags=ALL"), ("v0.0.44", "?flags=ALL")])
def test_everything_is_asked_for_in_words_of_every_version(rest, stranger, version, flags):
    """Hidden partitions and all users by one flag, as none takes a list; of nodes a flag would leave out the rest."""
    stranger.answer = (200, b'{"jobs": [], "nodes": [], "partitions": []}', {})
    url = f"http://127.0.0.1:{stranger.server_port}"
    slurm = rest.spawner(slurm_rest_url=url, slurm_rest_version=version).slurm

    async def scenario():
        await slurm.resources()
        await slurm.waiting_jobs()

    asyncio.run(scenario())
    assert stranger.paths == [f"/slurm/{version}/{each}" for each in ("nodes", f"partitions{flags}", f"jobs{flags}")]


# Configuration


def test_a_secret_that_cannot_be_used_is_a_refusal_without_its_value(rest, tmp_path, caplog):
    """The user is told whom to ask, the log what is wrong; Slurm is not searched for a job that cannot be there."""
    (tmp_path / "token").write_text("no token at all: hunter2hunter2")
    for ref in (f"file:{tmp_path / 'token'}", f"file:{tmp_path / 'missing'}"):
        spawner = rest.spawner(slurm_token=ref)
        with pytest.raises(SubmissionError, match="ask your administrator") as refusal:
            asyncio.run(spawner._hand_in(script("--partition=cpu"), ENVIRONMENT))
        assert "hunter2" not in str(refusal.value) + caplog.text
        assert "slurm_token" in caplog.text or "missing" in caplog.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"slurm_rest_url": "slurm:6820"}, "is not an address of slurmrestd"),
        ({"slurm_rest_url": "ftp://slurm"}, "is not an address of slurmrestd"),
        ({"slurm_rest_url": "https://u:p@slurm"}, "credentials belong into slurm_token"),
        ({"slurm_rest_url": "http://slurm:6820"}, "in clear"),
        ({"slurm_rest_url": "https://slurm", "slurm_token": "a.b.c", "slurm_jwt_key": "k"}, "are both given"),
    ],
)
def test_a_configuration_that_cannot_work_or_is_unsafe_is_refused(settings, words):
    """With what to write instead."""
    config = Config({"MOSlurmSpawner": settings})
    with pytest.raises(ConfigError, match=words):
        MOSlurmSpawner(config=config)


def test_http_is_for_this_machine_unless_it_is_allowed():
    """Loopback addresses and sockets cross no network."""
    for address in ("http://127.0.0.1:6820", "http://localhost", "http://[::1]:6820", "unix:/run/s", "https://slurm"):
        assert not endpoint(address).is_open_to_listeners
    assert endpoint("http://10.0.0.1:6820").is_open_to_listeners
    assert endpoint("https://slurm:6820/rest/") == Endpoint("https://slurm:6820/rest")
    config = Config({"MOSlurmSpawner": {"slurm_rest_url": "http://slurm:6820", "slurm_rest_unencrypted": True}})
    assert MOSlurmSpawner(config=config).slurm_rest_url == "http://slurm:6820"


def test_the_hubs_machine_need_not_know_the_accounts(rest):
    """The home of an unknown one is where homes usually are; the job is its all the same."""
    spawner = rest.spawner("nobody-here-knows-me", req_homedir="")
    spawner.req_homedir = spawner._account_home()
    environment = spawner.user_env({})
    assert (spawner.job_owner(), environment["HOME"]) == ("nobody-here-knows-me", "/home/nobody-here-knows-me")


def test_a_header_holds_the_name_of_an_account_and_nothing_else():
    """A user's name may come from outside."""
    credentials = Credentials(key=Secret(b"k" * 32))
    assert credentials.headers("alice@cluster.org")["X-SLURM-USER-NAME"] == "alice@cluster.org"
    for name in ("", "al ice", "alice\r\nX-SLURM-USER-NAME: root", "élise"):
        with pytest.raises(ConfigError):
            credentials.headers(name)


def test_a_token_says_for_whom_it_is():
    """That name is the hub's own where no user is meant; a text that is no token says nothing."""
    token = signed_token(b"key", "slurm", now=1_000)
    assert account_of(token) == "slurm"
    assert Credentials(token=Secret(token)).headers(None)["X-SLURM-USER-NAME"] == "slurm"
    assert [account_of(text) for text in ("", "x", "a.b.c", "a.W10.c")] == ["", "", "", ""]


def test_slurmrestd_that_knows_its_callers_by_their_account_needs_no_token():
    """At a unix socket with rest_auth/local."""
    assert Credentials().headers("alice") == {}


class Accounting(BaseHTTPRequestHandler):
    """slurmrestd with a database of accounts, of which `answer` is what it says."""

    answer: dict

    def do_GET(self):
        body = json.dumps(self.answer if self.path.startswith("/slurmdb/") else {"pings": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("answer", "accounts"),
    [
        ({"associations": [{"user": "alice", "account": "physics", "qos": ["b", "a"]}]}, {"physics": ["a", "b"]}),
        ({"errors": [{"error_number": 9003, "error": "Nothing found with query"}]}, {}),
        ({"errors": [{"error_number": 7000, "error": "Unable to connect to database"}]}, {}),
    ],
)
def test_accounts_come_from_slurmrestd_where_it_has_the_database(rest, answer, accounts):
    """An empty database, and one that is away, leave them to Slurm."""
    shared_access.forget()
    handler = type("Handler", (Accounting,), {"answer": answer})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            spawner = rest.spawner(slurm_rest_url=f"http://127.0.0.1:{server.server_port}")
            assert asyncio.run(spawner.accounts()) == accounts
        finally:
            server.shutdown()


def test_accounts_are_left_to_slurm_where_slurmrestd_has_no_database(rest):
    """As on the mock; and where an empty `slurm_accounts_cmd` says so, nobody is asked."""
    assert asyncio.run(rest.spawner().slurm.associations()) == {}
    before = asked(rest, "GET", "associations")
    assert asyncio.run(rest.spawner(slurm_accounts_cmd="").accounts()) == {}
    assert asked(rest, "GET", "associations") == before
