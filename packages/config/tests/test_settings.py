"""Settings come from one of several sources, and every problem is reported at once."""

import enum
from datetime import timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from pentad_config import ConfigError, KeyRing, Secret, Settings, override, setting


class Colour(enum.Enum):
    RED = "red"


class Minio(Settings, prefix="MINIO_"):
    endpoint: str = setting("localhost:9000", doc="host and port")
    secret_key: Secret = setting(doc="what signs requests")
    use_https: bool = setting(True, doc="speak TLS", aliases=("MINIO_SECURE",))
    parts: int = setting(4, doc="parts in flight")
    mode: str = setting("fast", doc="how", choices=("fast", "safe"))
    buckets: list[str] = setting(list, doc="names")


ENV = {"MINIO_SECRET_KEY": "s3cr3t-s3cr3t"}


def problems(environ, *mappings, **options):
    with pytest.raises(ConfigError) as caught:
        Minio.load(*mappings, environ=environ, **options)
    return [str(problem) for problem in caught.value.problems]


def test_values_are_typed_and_defaults_fill_in():
    """Text from the environment becomes the declared type."""
    found = Minio.load(environ={**ENV, "MINIO_USE_HTTPS": "off", "MINIO_PARTS": "8", "MINIO_BUCKETS": "a, b"})
    assert (found.endpoint, found.use_https, found.parts, found.buckets) == ("localhost:9000", False, 8, ["a", "b"])
    assert found.secret_key.reveal() == "s3cr3t-s3cr3t"


def test_every_problem_is_reported_at_once_and_without_values():
    """One restart shows all that is wrong."""
    found = problems({"MINIO_PARTS": "many", "MINIO_USE_HTTPS": "perhaps", "MINIO_MODE": "faste", "MINIO_ENDPOIN": "x"})
    assert found == [
        "MINIO_ENDPOIN: unknown setting. Did you mean MINIO_ENDPOINT?",
        "secret_key: missing. Set MINIO_SECRET_KEY, or MINIO_SECRET_KEY_FILE to a file, "
        "or put a file minio_secret_key in the credentials directory.",
        "use_https: env MINIO_USE_HTTPS is not a yes/no value; use 1/0, true/false, yes/no, on/off.",
        "parts: env MINIO_PARTS is not a whole number.",
        "mode: env MINIO_MODE is not one of fast, safe. Did you mean fast?",
    ]


def test_arguments_win_over_mappings_over_the_environment():
    """`explain` names the source that won and those that lost."""
    found = Minio.load({"MINIO_PARTS": 6}, environ={**ENV, "MINIO_PARTS": "5"}, parts=7)
    assert found.parts == 7
    row = next(item for item in found.explain() if item.name == "parts")
    assert (row.source, row.shadowed) == ("argument", ("setting MINIO_PARTS", "env MINIO_PARTS"))


def test_a_variable_and_its_file_together_are_an_error(tmp_path):
    """Nobody can know which was meant."""
    assert "secret_key: both MINIO_SECRET_KEY and MINIO_SECRET_KEY_FILE are set. Unset one." in problems(
        {**ENV, "MINIO_SECRET_KEY_FILE": str(tmp_path / "k")}
    )


def test_a_file_named_by_the_environment_is_read(tmp_path):
    """For secrets and for plain settings."""
    (tmp_path / "k").write_text("from-a-file\n")
    (tmp_path / "n").write_text("9\n")
    found = Minio.load(environ={"MINIO_SECRET_KEY_FILE": str(tmp_path / "k"), "MINIO_PARTS_FILE": str(tmp_path / "n")})
    assert (found.secret_key.reveal(), found.parts) == ("from-a-file", 9)
    assert found.secret_key.ref == f"file:{tmp_path}/k"


def test_credentials_directories_are_searched_last(tmp_path):
    """systemd's by itself, others when they are named."""
    (tmp_path / "minio_secret_key").write_text("from-systemd")
    assert Minio.load(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).secret_key.reveal() == "from-systemd"
    assert Minio.load(environ={}, credentials=[tmp_path]).secret_key.reveal() == "from-systemd"
    assert Minio.load(environ=ENV, credentials=[tmp_path]).secret_key.reveal() == "s3cr3t-s3cr3t"


def test_an_alias_works_like_the_name():
    """Deployments that use the older name keep working."""
    assert Minio.load(environ={**ENV, "MINIO_SECURE": "0"}).use_https is False


def test_an_unknown_argument_is_an_error_even_when_not_strict():
    """A call is code, and code that is wrong is not ignored."""
    assert problems({**ENV, "MINIO_PART": "1"}, strict=False, partz=3) == [
        "partz: unknown setting. Did you mean parts?"
    ]


def test_settings_do_not_change_and_do_not_show_secrets():
    """An instance is a value."""
    found = Minio.load(environ=ENV)
    with pytest.raises(AttributeError, match=r"load\(\) it again to change parts"):
        found.parts = 3
    assert "s3cr3t" not in repr(found)
    assert "secret_key=<Secret secret_key: redacted>" in repr(found)


def test_a_secret_that_cannot_be_read_is_a_problem_at_load(tmp_path):
    """Beside all the others, not at the first request."""
    found = problems({"MINIO_SECRET_KEY_FILE": str(tmp_path / "no"), "MINIO_PARTS": "x"})
    assert found == [
        f"secret_key: {tmp_path}/no (named by MINIO_SECRET_KEY_FILE) does not exist.",
        "parts: env MINIO_PARTS is not a whole number.",
    ]


def test_an_environment_variable_is_followed(monkeypatch):
    """A secret from the process's own environment is looked up when it is used."""
    with override(MINIO_SECRET_KEY="first-first"):
        found = Minio.load()
        monkeypatch.setenv("MINIO_SECRET_KEY", "second-second")
        assert found.secret_key.reveal() == "second-second"


class Every(Settings, prefix="EVERY_"):
    maybe: int | None = setting(None, doc="")
    choice: Literal["a", "b"] = setting("a", doc="")
    colour: Colour = setting(Colour.RED, doc="")
    wait: timedelta = setting(timedelta(seconds=1), doc="")
    ratio: float = setting(0.5, doc="")
    keys: KeyRing | None = setting(None, doc="")
    shout: str = setting("", doc="", parse=str.upper)
    hidden: str = setting("", doc="", secret=True)


def test_the_usual_types_are_understood():
    """Optional, literal, enum, duration, number and key ring."""
    found = Every.load(
        environ={
            **{"EVERY_MAYBE": "3", "EVERY_CHOICE": "b", "EVERY_COLOUR": "red", "EVERY_WAIT": "2m"},
            **{"EVERY_RATIO": "0.25", "EVERY_KEYS": "k" * 32, "EVERY_SHOUT": "hi", "EVERY_HIDDEN": "pssst"},
        }
    )
    assert (found.maybe, found.choice, found.colour, found.wait) == (3, "b", Colour.RED, timedelta(minutes=2))
    assert (found.ratio, found.shout) == (0.25, "HI")
    assert found.keys is not None
    assert found.keys.primary == "k" * 32
    assert "pssst" not in repr(found)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MAYBE", "x", "maybe: env EVERY_MAYBE is not a whole number."),
        ("CHOICE", "c", "choice: env EVERY_CHOICE is not one of a, b."),
        ("COLOUR", "blue", "colour: env EVERY_COLOUR is not one of red."),
        ("WAIT", "soon", "wait: env EVERY_WAIT is not a duration; use seconds, or a number with s, m, h or d."),
        ("RATIO", "x", "ratio: env EVERY_RATIO is not a number."),
        ("KEYS", "short", "keys: key 1 has 5 characters, 32 needed."),
    ],
)
def test_text_that_does_not_fit_the_type_is_explained(name, text, message):
    """Without showing the text."""
    with pytest.raises(ConfigError) as caught:
        Every.load(environ={f"EVERY_{name}": text})
    assert str(caught.value) == message


class Unusual(Settings, prefix="U_"):
    rate: Decimal = setting(Decimal(1), doc="raises an ArithmeticError")
    zone: ZoneInfo | None = setting(None, doc="raises a KeyError")
    wait: timedelta = setting(timedelta(1), doc="raises an OverflowError")
    mode: int = setting(1, doc="raises a KeyError with the text", parse=lambda text: {"fast": 1}[text])
    token: Secret | None = setting(None, doc="asked at the start")


def test_whatever_a_type_or_a_parser_raises_is_one_problem_among_the_others():
    """And its message, which may hold the value, is left out."""
    text = "hunter2"

    def vault():
        raise ConnectionError(text)

    with pytest.raises(ConfigError) as caught:
        Unusual.load(environ={"U_RATE": text, "U_ZONE": text, "U_WAIT": "inf", "U_MODE": text}, token=vault)
    assert [str(problem) for problem in caught.value.problems] == [
        "rate: env U_RATE is not a usable Decimal.",
        "zone: env U_ZONE is not a usable ZoneInfo.",
        "wait: env U_WAIT is not a duration; use seconds, or a number with s, m, h or d.",
        "mode: env U_MODE is not usable (KeyError).",
        "token: argument is not usable (ConnectionError).",
    ]


@pytest.mark.parametrize("name", ["load", "explain", "describe"])
def test_a_setting_does_not_replace_a_method(name):
    """The class could not be loaded any more."""
    with pytest.raises(TypeError, match=f"Bad.{name} would replace Settings.{name}. Give the setting another name."):
        type("Bad", (Settings,), {name: setting(doc="x"), "__annotations__": {name: str}})


def test_a_number_is_a_duration_only_where_one_is_declared():
    """Elsewhere it is the wrong type."""
    assert problems(ENV, {"endpoint": 5}) == ["endpoint: setting endpoint is a int where str is needed."]


def test_a_mapping_may_have_keys_that_are_no_text():
    """They are nobody's settings."""
    assert Minio.load({1: 2}, environ=ENV).parts == 4


def test_a_subclass_adds_to_its_parent():
    """And keeps the parent's variables."""

    class More(Minio):
        region: str = setting("x", doc="")

    assert More.load(environ={**ENV, "MINIO_REGION": "eu"}).region == "eu"
    assert [field.name for field in Minio.describe()][-1] == "buckets"


def test_override_restores_what_was_there():
    """Also after an error, and as a decorator."""
    import os

    os.environ["EVERY_RATIO"] = "1"
    with pytest.raises(RuntimeError), override(EVERY_RATIO=None, EVERY_NEW="1"):
        assert "EVERY_RATIO" not in os.environ
        raise RuntimeError
    assert os.environ["EVERY_RATIO"] == "1"
    assert "EVERY_NEW" not in os.environ

    @override(EVERY_RATIO="2")
    def inside():
        return Every.load().ratio

    assert inside() == 2.0
    del os.environ["EVERY_RATIO"]


def test_a_misspelt_name_in_a_mapping_is_noticed():
    """As in the environment: only with the class's prefix and close to a setting's name."""

    class Spelt(Settings, prefix="SPELT_"):
        colour: str = setting("red", doc="a colour")

    with pytest.raises(ConfigError) as caught:
        Spelt.load({"SPELT_COLOR": "blue", "SPELT_ELSE_WHERE": 1, "COLOR": 2}, environ={})
    assert [str(problem) for problem in caught.value.problems] == [
        "SPELT_COLOR: unknown setting. Did you mean SPELT_COLOUR?"
    ]
    assert Spelt.load({"SPELT_COLOR": "blue"}, environ={}, strict=False).colour == "red"


class Service(Settings, prefix="SERVICE_"):
    url: str = setting(doc="where it is")
    others: list[str] = setting(list, doc="where the others are")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:p4ss-p4ss@h:6379/0", "redis://u:<redacted>@h:6379/0"),
        ("redis://:p4ss-p4ss@h/0", "redis://:<redacted>@h/0"),
        ("postgres://u:p4ss-p4ss/p4ss-p4ss@h/db", "postgres://u:<redacted>@h/db"),
        ("amqp://u:x@p4ss-p4ss@h", "amqp://u:<redacted>@h"),
        ("redis://h?db=1&password=p4ss-p4ss&x=1", "redis://h?db=1&password=<redacted>&x=1"),
        ("https://h:8443/path", "https://h:8443/path"),
        ("https://u@h/path", "https://u@h/path"),
    ],
)
def test_passwords_of_urls_are_not_shown(url, shown):
    """Also where a URL was declared as plain text, alone or in a list; the program gets it whole."""
    settings = Service.load(environ={"SERVICE_URL": url, "SERVICE_OTHERS": f"{url},{url}"})
    assert [item.value for item in settings.explain()] == [shown, f"['{shown}', '{shown}']"]
    assert "p4ss" not in repr(settings) + repr(settings.explain())
    assert (settings.url, settings.others) == (url, [url, url])
