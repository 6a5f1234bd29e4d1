"""`pentad-config check | explain | docs | schema | ring`."""

import json
import os
import re
import subprocess
import sys
import time
from base64 import b64decode

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pentad_config import ConfigError, KeyRing, Secret
from pentad_config.ringfile import add

MODULE = """
from pentad_config import KeyRing, Secret, Settings, setting
class App(Settings, prefix="APP_"):
    key: Secret = setting(doc="signs cookies")
    keys: KeyRing | None = setting(None, doc="older | newer")
    port: int = setting(8000, doc="where it listens")
    mode: str = setting("fast", doc="how", choices=("fast", "safe"))
    level: int = setting(1, doc="how much", choices=(1, 2))
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "conf.py").write_text(MODULE)

    def run(*arguments, **environ):
        return subprocess.run(
            [sys.executable, "-m", "pentad_config", *arguments],
            **{"cwd": tmp_path, "capture_output": True, "text": True, "check": False},
            env={"PATH": os.environ["PATH"], **environ},
        )

    return run


def test_check_prints_every_problem_and_exits_1(run):
    """One line each on stderr, with the class and the setting."""
    ran = run("check", "conf:App", APP_PORT="x")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "App.key: missing. Set APP_KEY, or APP_KEY_FILE to a file, or put a file app_key in the credentials directory.",
        "App.port: env APP_PORT is not a whole number.",
    ]


def test_check_is_quiet_when_all_is_well(run):
    """And exits 0."""
    ran = run("check", "conf:App", APP_KEY="pssst-pssst")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "no problems\n", "")


def test_explain_shows_sources_and_no_values(run, tmp_path):
    """A table of settings, redacted values and where they came from; a note for a readable file."""
    (tmp_path / "k").write_text("pssst-pssst")
    (tmp_path / "k").chmod(0o644)
    ran = run("explain", "conf:App", APP_KEY_FILE=str(tmp_path / "k"))
    assert ran.returncode == 0
    assert "pssst" not in ran.stdout
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["setting", "value", "source", "age"]
    assert lines[1].startswith(f"key      <Secret key: redacted>  file {tmp_path}/k (APP_KEY_FILE)")
    assert lines[3].split() == ["port", "8000", "default"]
    assert lines[-1].startswith("note  key: readable by every user (0644)")


def test_check_notes_a_file_that_every_user_may_read(run, tmp_path):
    """A note and no problem, as Kubernetes mounts secrets like this; for a ring's file too."""
    for name in ("k", "ring"):
        (tmp_path / name).write_text("pssst-" * 8)
        (tmp_path / name).chmod(0o644)
    ran = run("check", "conf:App", APP_KEY_FILE=str(tmp_path / "k"), APP_KEYS_FILE=str(tmp_path / "ring"))
    text = "readable by every user (0644); Kubernetes and Docker mount secrets like this, on a shared host use 0600"
    assert (ran.returncode, ran.stdout) == (0, f"note  key: {text}\nnote  keys: {text}\nno problems\n")


def token(seconds):
    """A token as slurmctld hands out, that expires in so many seconds."""
    return jwt.encode({"sun": "alice", "exp": int(time.time() + seconds)}, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("seconds", "words"),
    # What is left is rounded, and the command may take a while to start.
    [(2 * 3600, "expires in 2 h"), (50 * 60, "expires in (50|4[0-9]) min"), (10 * 86400, "expires in 10 d")],
)
def test_check_and_explain_tell_when_a_token_expires(run, tmp_path, seconds, words):
    """Of a setting and of a secret that some other configuration names; the token itself is not shown."""
    text = token(seconds)
    (tmp_path / "jwt").write_text(text)
    (tmp_path / "jwt").chmod(0o600)
    for arguments in (["check", "conf:App"], ["explain", "conf:App"]):
        ran = run(*arguments, APP_KEY_FILE=str(tmp_path / "jwt"))
        assert ran.returncode == 0
        assert re.search(f"^note  key: a token that {words}\n", ran.stdout, re.MULTILINE)
        assert text not in ran.stdout + ran.stderr
    said = run("check", f"file:{tmp_path}/jwt").stdout
    assert re.fullmatch(f"note  jwt: a token that {words}\nno problems\n", said)
    said = run("check", "env:SLURM_JWT", SLURM_JWT=text).stdout
    assert re.fullmatch(f"note  SLURM_JWT: a token that {words}\nno problems\n", said)


def test_an_expired_token_is_a_problem(run, tmp_path):
    """The job that should have renewed it did not; Slurm would say no more than "authentication failure"."""
    (tmp_path / "jwt").write_text(token(-10 * 3600))
    (tmp_path / "jwt").chmod(0o600)
    said = f"file:{tmp_path}/jwt is a token that expired 10 h ago. Renew it, and see who should have.\n"
    ran = run("check", "conf:App", APP_KEY_FILE=str(tmp_path / "jwt"))
    assert (ran.returncode, ran.stderr) == (1, f"App.key: {said}")
    ran = run("check", f"file:{tmp_path}/jwt")
    assert (ran.returncode, ran.stderr) == (1, f"jwt: {said}")


@pytest.mark.parametrize("text", ["plain-secret-of-some-length", "a.b.c", "e30.e30.e30", token(600).rpartition(".")[0]])
def test_a_secret_that_is_no_token_has_no_expiry(run, text):
    """Nor has a token that does not say."""
    eternal = jwt.encode({"sun": "alice"}, "k" * 32, algorithm="HS256")
    for value in (text, eternal):
        ran = run("check", "env:IT", IT=value)
        assert (ran.returncode, ran.stdout) == (0, "no problems\n")


def test_a_secret_that_cannot_be_read_is_a_problem(run, tmp_path):
    """With the words of a setting's."""
    ran = run("check", f"file:{tmp_path}/no")
    assert (ran.returncode, ran.stderr) == (1, f"no: {tmp_path}/no does not exist.\n")


def test_explain_names_the_sources_that_were_not_used(run, tmp_path):
    """A variable wins over a credentials directory, and the reader is told of both."""
    (tmp_path / "app_port").write_text("9")
    ran = run("explain", "conf:App", "--credentials", str(tmp_path), APP_KEY="pssst-pssst", APP_PORT="8")
    assert f"note  port: also in file {tmp_path}/app_port (not used)" in ran.stdout


OWNERS = [
    ("starsessions", "pentad-starsessions", "starsessions"),
    ("eventsourcing_django", "pentad-eventsourcing-django", "eventsourcing-django"),
    ("syzygy", "pentad-syzygy", "django-syzygy"),
    ("django_minio_backend", "pentad-django-minio-backend", "django-minio-backend"),
    ("jupyterhub_moss", "pentad-jupyterhub-moss", "jupyterhub-moss"),
]


def installed(folder, name):
    """Leave in `folder` what an installer leaves of a distribution."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


@pytest.mark.parametrize(("module", "ours", "theirs"), OWNERS)
def test_check_notices_two_distributions_of_one_import_name(run, tmp_path, module, ours, theirs):
    """The later installation has overwritten the earlier one's files; the message says what to run."""
    installed(tmp_path / "site", ours)
    assert run("check", PYTHONPATH=str(tmp_path / "site")).returncode == 0
    installed(tmp_path / "site", theirs)
    ran = run("check", PYTHONPATH=str(tmp_path / "site"))
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"{module}: {ours} and {theirs} are both installed and share the import name;")
    assert f"pip uninstall {theirs} {ours}, then pip install {ours}." in ran.stderr


def test_docs_and_schema_describe_the_class(run):
    """For a README and for an editor."""
    assert "| `APP_KEY` | Secret | required | signs cookies |" in run("docs", "conf:App").stdout
    assert (
        "| `APP_KEYS` | pentad_config.keyring.KeyRing \\| None |  | older \\| newer |" in run("docs", "conf:App").stdout
    )
    schema = json.loads(run("schema", "conf:App").stdout)
    assert schema["required"] == ["key"]
    assert schema["properties"]["port"] == {"type": "integer", "description": "where it listens", "default": 8000}
    assert schema["properties"]["key"]["writeOnly"] is True
    assert schema["properties"]["mode"]["enum"] == ["fast", "safe"]
    assert schema["properties"]["level"]["enum"] == [1, 2]


def test_the_schema_of_several_classes_is_one_document(run, tmp_path):
    """What reads it is a JSON parser; each class is found under what it was asked for by."""
    (tmp_path / "more.py").write_text(MODULE.replace("class App", "class Job"))
    schema = json.loads(run("schema", "conf:App", "more:Job").stdout)
    assert schema["$schema"] == json.loads(run("schema", "conf:App").stdout)["$schema"]
    assert [(name, found["title"]) for name, found in schema["$defs"].items()] == [
        ("conf:App", "App"),
        ("more:Job", "Job"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("def", "SyntaxError: "),
        ("raise ValueError('redis://u:pssst@h')", "ValueError: redis://u:<redacted>@h"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        (
            "from pentad_config import Secret; key = Secret('pssst-pssst'); raise ValueError(key.reveal())",
            "ValueError: <redacted>",
        ),
    ],
)
@pytest.mark.parametrize("command", ["check", "docs"])
def test_a_module_that_fails_is_explained_in_one_line(run, tmp_path, command, line, said):
    """With exit status 2 also where the module itself would have ended the program with 0."""
    (tmp_path / "broken.py").write_text(f"{line}\n")
    ran = run(command, "broken:App")
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"pentad-config: broken:App: broken fails when it is imported: {said}")
    assert (ran.stderr.count("\n"), ran.stdout) == (1, "")


def test_a_module_whose_settings_are_wrong_is_a_problem(run, tmp_path):
    """Many load their settings when they are imported."""
    (tmp_path / "eager.py").write_text(f"{MODULE}\nApp.load()\n")
    ran = run("explain", "eager:App", APP_KEY="pssst-pssst", APP_PORT="x")
    assert (ran.returncode, ran.stderr) == (1, "port: env APP_PORT is not a whole number.\n")


@pytest.mark.parametrize("command", [["docs", "conf:App"], ["schema", "conf:App"], ["check"]])
def test_a_reader_that_has_seen_enough_ends_the_command_quietly(run, tmp_path, command):
    """`pentad-config docs ... | head` stops reading; the exit status is the one that shells give such programs."""
    reading, writing = os.pipe()
    os.close(reading)
    (tmp_path / "conf.py").write_text(MODULE)
    with os.fdopen(writing, "w") as closed:
        ran = subprocess.run(
            [sys.executable, "-m", "pentad_config", *command],
            cwd=tmp_path,
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("conf", "conf: say MODULE:CLASS"),
        ("nowhere:App", "nowhere:App: there is no module nowhere"),
        ("conf:Secret", "conf:Secret: Secret is not a Settings class of conf"),
        (":App", ":App: say MODULE:CLASS"),
        ("conf:", "conf:: say MODULE:CLASS"),
        ("..conf:App", "..conf:App: say MODULE:CLASS"),
    ],
)
def test_a_wrong_target_is_explained(run, target, message):
    """Exit status 2, as for any wrong command line."""
    ran = run("explain", target)
    assert ran.returncode == 2
    assert message in ran.stderr


def test_a_ring_is_added_to_promoted_and_pruned(run, tmp_path):
    """The new key verifies before it signs, and the oldest goes last."""
    path = tmp_path / "keys"
    assert run("ring", "add", str(path)).stdout == f"{path}: 1 keys\n"
    assert path.stat().st_mode & 0o777 == 0o600
    (first,) = path.read_text().split()
    run("ring", "add", str(path))
    _, second = path.read_text().split()
    assert path.read_text().split() == [first, second]
    run("ring", "promote", str(path))
    assert path.read_text().split() == [second, first]
    run("ring", "prune", str(path), "--keep", "1")
    assert path.read_text().split() == [second]
    assert len(second) >= 32
    assert sorted(p.name for p in tmp_path.iterdir()) == ["conf.py", "keys"]


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        ("fernet", Fernet),
        ("aes256", lambda key: AESGCM(b64decode(key, validate=True)).encrypt(bytes(12), b"", None)),
        ("text", lambda key: len(key) == 64 or pytest.fail(key)),
    ],
)
def test_a_key_is_made_for_what_it_is_for(run, tmp_path, kind, use):
    """A cipher wants keys of one size, written in one way."""
    path = tmp_path / "keys"
    for _ in range(20):
        add(path, kind)
    assert run("ring", "add", str(path), "--for", kind).stdout == f"{path}: 21 keys\n"
    for key in set(path.read_text().split()):
        use(key)
    assert len(KeyRing(Secret.at(path.read_text())).newest_first()) == 21


def test_rings_that_are_changed_at_once_lose_no_key(tmp_path):
    """Two processes that read the same keys would each write the other's away."""
    path = tmp_path / "keys"
    adding = [subprocess.Popen([sys.executable, "-c", ADD, str(path)]) for _ in range(2)]
    assert [process.wait(300) for process in adding] == [0, 0]
    assert len(set(path.read_text().split())) == 60


ADD = """
import sys
from pentad_config.ringfile import add
for _ in range(30):
    add(sys.argv[1])
"""


def test_an_interrupted_change_leaves_no_keys_behind(tmp_path, monkeypatch):
    """Neither Ctrl-C nor a full disk: the file that was being written holds every key."""
    path = tmp_path / "keys"
    add(path)
    before = path.read_text()
    for error in (KeyboardInterrupt(), OSError(28, "No space left on device")):

        def fail(descriptor, error=error):
            raise error

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises((KeyboardInterrupt, ConfigError)):
            add(path)
        assert [item.name for item in tmp_path.iterdir()] == ["keys"]
        assert path.read_text() == before


def test_a_file_that_is_no_ring_is_explained(run, tmp_path):
    """And is left as it was."""
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    ran = run("ring", "add", str(tmp_path / "picture"))
    assert (ran.returncode, ran.stderr) == (1, f"{tmp_path}/picture: is not text. Is this the right file?\n")


def test_a_marker_in_a_file_is_a_problem_and_no_traceback(run, tmp_path):
    """Beside the problems of the other targets."""
    (tmp_path / "k").write_text("********")
    ran = run("check", f"file:{tmp_path}/k", f"file:{tmp_path}/no")
    assert ran.returncode == 1
    assert [line.split(";")[0] for line in ran.stderr.splitlines()] == [
        "k: this is a redaction marker, not a secret",
        f"no: {tmp_path}/no does not exist.",
    ]


def test_the_command_runs_nothing_of_the_folder_it_is_called_in(tmp_path):
    """Only a module that is asked for: others may have written to the folder."""
    (tmp_path / "email.py").write_text("print('run')")
    (tmp_path / "conf.py").write_text(MODULE)
    start = "import sys; sys.argv[0] = 'pentad-config'; from pentad_config.cli import main; sys.exit(main())"
    for arguments in (["check", "env:PATH"], ["docs", "conf:App"]):
        ran = subprocess.run(
            [sys.executable, "-P", "-c", start, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, "run" in ran.stdout.split()) == (0, False), ran.stderr


def test_a_ring_keeps_mode_and_link(run, tmp_path):
    """A link stays a link; the file behind it keeps its permissions."""
    path = tmp_path / "keys"
    path.write_text("k" * 40)
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("keys")
    assert run("ring", "add", str(tmp_path / "link")).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(path.read_text().split()) == 2


def test_a_ring_that_is_not_there_is_explained(run, tmp_path):
    """Nothing is made by promote or prune."""
    ran = run("ring", "promote", str(tmp_path / "no"))
    assert ran.returncode == 1
    assert ran.stderr == f"{tmp_path}/no: does not exist. Make it with: pentad-config ring add FILE\n"


def test_a_ring_s_time_moves_only_when_the_signing_key_changes(run, tmp_path):
    """`settle` counts from there: adding a key must not make a starting process sign with it."""
    path = tmp_path / "keys"
    path.write_text(f"{'a' * 40}\n")
    os.utime(path, (1, 1))
    run("ring", "add", str(path))
    assert path.stat().st_mtime == 1
    run("ring", "promote", str(path))
    assert path.stat().st_mtime > 1
    os.utime(path, (2, 2))
    run("ring", "prune", str(path), "--keep", "1")
    assert path.stat().st_mtime == 2


def test_a_ring_that_cannot_be_written_is_left_as_it_was(run, tmp_path):
    """Each action is one rename; what fails before it leaves nothing behind."""
    (tmp_path / "folder").mkdir()
    ran = run("ring", "add", str(tmp_path / "folder"))
    assert (ran.returncode, ran.stderr) == (1, f"{tmp_path}/folder: cannot be read: Is a directory.\n")
    ran = run("ring", "add", str(tmp_path / "none" / "keys"))
    assert ran.returncode == 1
    assert "cannot be written: No such file or directory." in ran.stderr
    assert run("ring", "prune", str(tmp_path / "k"), "--keep", "0").stderr.endswith("at least 1 key, not 0.\n")
