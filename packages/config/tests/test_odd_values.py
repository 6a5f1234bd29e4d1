"""Unusual values, classes and declarations are understood or refused by name."""

import copy
import os
import pickle
from typing import ClassVar, NamedTuple

import pytest

from pentad_config import ConfigError, KeyRing, Secret, SecretMisuse, Settings, override, redact, setting

VALUE = "s3cr3t-s3cr3t-s3cr3t"


class App(Settings, prefix="ODD_"):
    key: Secret = setting(doc="")
    maybe: Secret | None = setting(None, doc="")
    ring: KeyRing | None = setting(None, doc="")
    port: int = setting(1, doc="")


class Typed(Settings, prefix="TYPED_"):
    port: int = setting(1, doc="")
    text: str = setting("", doc="", secret=True)
    key: Secret | None = setting(None, doc="")


ENV = {"ODD_KEY": VALUE}


def problems(*mappings, **environ):
    with pytest.raises(ConfigError) as caught:
        App.load(*mappings, environ={**ENV, **environ})
    return [str(problem) for problem in caught.value.problems]


def test_an_optional_secret_follows_its_file(tmp_path):
    """As one that is required does; its content is a value even if it looks like a reference."""
    path = tmp_path / "k"
    path.write_text("env:first")
    os.utime(path, (1, 1))
    found = App.load(environ={**ENV, "ODD_MAYBE_FILE": str(path)})
    assert found.maybe.reveal() == "env:first"
    assert found.maybe.ref == f"file:{path}"
    assert [row.value for row in found.explain()][1] == "<Secret maybe: redacted>"


def test_an_empty_variable_unsets_an_optional_secret():
    """Compose files pass on variables that nobody set as empty ones."""
    found = App.load(environ={**ENV, "ODD_MAYBE": "", "ODD_RING": ""})
    assert (found.maybe, found.ring) == (None, None)


def test_an_empty_variable_is_no_required_secret():
    """Nothing would be signed with it."""
    assert problems(ODD_KEY="") == ["key: env ODD_KEY is empty. Set it, or unset it."]
    assert problems(ODD_MAYBE_FILE="") == ["maybe: env ODD_MAYBE_FILE is empty. Set it, or unset it."]


def test_none_in_a_mapping_is_none_only_where_it_may_be():
    """Django's OPTIONS hold None where os.environ.get() found nothing."""
    assert App.load({"ODD_MAYBE": None}, environ=ENV).maybe is None
    assert problems({"ODD_KEY": None, "port": None}) == [
        "key: setting ODD_KEY is None; give it a value or leave it out.",
        "port: setting port is None; give it a value or leave it out.",
    ]


def test_a_marker_in_a_setting_is_reported_beside_the_other_problems():
    """With what happened and what to pass instead."""
    text = "this is a redaction marker, not a secret; str() was called on a Secret before it got here."
    assert problems(ODD_KEY="**********", ODD_PORT="x") == [
        f"key: {text} Pass the Secret itself.",
        "port: env ODD_PORT is not a whole number.",
    ]
    with override(ODD_KEY="<Secret key: redacted>"), pytest.raises(ConfigError, match=text.replace("(", r"\(")[:40]):
        App.load()


def test_a_marker_in_a_file_is_refused(tmp_path):
    """At the start it is an error; later the last good value stays."""
    path = tmp_path / "k"
    path.write_text("**********")
    os.utime(path, (1, 1))
    secret = Secret.at(f"file:{path}", ttl=0, name="key")
    with pytest.raises(SecretMisuse, match="key: this is a redaction marker"):
        secret.reveal()
    path.write_text(VALUE)
    os.utime(path, (2, 2))
    assert secret.reveal() == VALUE
    path.write_text("**********")
    os.utime(path, (3, 3))
    assert secret.reveal() == VALUE
    assert "redaction marker" in str(secret.problem)


def test_a_variable_that_is_not_text_is_refused(monkeypatch):
    """Half a key would be lost where it is encoded; as bytes it is fine."""
    monkeypatch.setitem(os.environ, "ODD_RAW", os.fsdecode(b"\xff" + VALUE.encode()))
    with pytest.raises(ConfigError, match="the environment variable ODD_RAW is not UTF-8 text"):
        Secret.at("env:ODD_RAW").reveal()
    assert Secret.at("env:ODD_RAW", binary=True).reveal() == b"\xff" + VALUE.encode()


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("file:", "secret: file: without a path does not exist."),
        ("file:/no\0where", "cannot be read: its name is not usable."),
        ("file:/" + "x" * 5000, "cannot be read: File name too long."),
    ],
)
def test_a_path_that_cannot_be_one_is_refused(ref, message):
    """By ConfigError, whatever the system says."""
    with pytest.raises(ConfigError) as caught:
        Secret.at(ref, name="secret").reveal()
    assert message in str(caught.value)


def test_a_reference_must_be_text():
    """A path object or a number is a mistake of the caller."""
    with pytest.raises(SecretMisuse, match="key: a reference is text, not int"):
        Secret.at(5, name="key")


def test_a_huge_value_is_a_value():
    """Nothing about a literal is limited."""
    huge = "x1" * 5_000_000
    assert Secret(huge).reveal() is huge
    assert Secret(huge) == huge


def test_secrets_are_found_in_lists_and_compared_in_dictionaries():
    """Membership goes by value; a set or a dictionary's key is refused."""
    secret = Secret(VALUE)
    assert secret in [Secret("other"), Secret(VALUE)]
    assert {"key": secret} == {"key": Secret(VALUE)}
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)
    with pytest.raises(TypeError):
        dict.fromkeys([secret])


def test_a_subclass_of_secret_is_as_silent():
    """Also one with attributes of its own."""

    class Token(Secret):
        def header(self):
            return f"Bearer {self.text()}"

    token = Token.at(f"literal:{VALUE}", name="TOKEN")
    assert isinstance(token, Token)
    assert token.header() == f"Bearer {VALUE}"
    assert VALUE not in repr(token) + str(vars(token)) + f"{token}"


def test_settings_inherit_from_several_classes():
    """All their settings are there, each with the variable of the class that declared it."""

    class Other(Settings, prefix="OTHER_"):
        name: str = setting("x", doc="")

    class Both(App, Other, prefix="BOTH_"):
        extra: int = setting(2, doc="")

    found = Both.load(environ={**ENV, "OTHER_NAME": "n", "BOTH_EXTRA": "3"})
    assert (found.port, found.name, found.extra) == (1, "n", 3)
    assert {field.env for field in Both.describe()} == {
        *("ODD_KEY", "ODD_MAYBE", "ODD_RING", "ODD_PORT", "OTHER_NAME", "BOTH_EXTRA")
    }


def test_an_attribute_without_setting_is_refused_when_the_class_is_made():
    """It would never be read from anywhere."""
    with pytest.raises(TypeError, match=r"Forgot.port is not a setting. Write port: ... = setting\(doc=...\)"):

        class Forgot(Settings):
            port: int = 8000

    class Fine(Settings):
        LIMIT: ClassVar[int] = 3
        _LIMIT: int = 4

    assert Fine.load(environ={}).LIMIT == 3


def test_the_default_of_a_secret_is_a_secret(tmp_path):
    """A reference as well as a value."""
    (tmp_path / "k").write_text(VALUE)

    class Defaults(Settings):
        key: Secret = setting(f"file:{tmp_path}/k", doc="")
        keys: KeyRing = setting(["k" * 32], doc="")

    found = Defaults.load(environ={})
    assert found.key.reveal() == VALUE
    assert found.keys.primary == "k" * 32
    assert [row.source for row in found.explain()] == ["default", "default"]


def test_settings_are_pickled_without_secrets_or_not_at_all(tmp_path):
    """References are; a literal secret and secret text refuse; copies of what does not change are itself."""
    (tmp_path / "k").write_text(VALUE)
    plain = Typed.load(environ={"TYPED_PORT": "5", "TYPED_KEY_FILE": f"{tmp_path}/k"})
    assert copy.deepcopy([plain])[0] is copy.copy(plain) is plain
    pickled = pickle.dumps(plain)
    assert VALUE.encode() not in pickled
    assert (pickle.loads(pickled).port, pickle.loads(pickled).key.reveal()) == (5, VALUE)
    with pytest.raises(SecretMisuse, match="Typed.text holds secret text and is not pickled. Declare it as a Secret."):
        pickle.dumps(Typed.load(environ={"TYPED_TEXT": VALUE}))
    with pytest.raises(SecretMisuse, match="holds a literal value and is not pickled"):
        pickle.dumps(Typed.load(environ={"TYPED_KEY": VALUE}))


def test_a_misspelt_variable_is_logged_if_it_is_no_error(caplog):
    """With `strict=False` the application starts, and the log says why a setting has no effect."""
    App.load(environ={**ENV, "ODD_PRT": "1"}, strict=False)
    assert caplog.messages == ["ODD_PRT: unknown setting. Did you mean ODD_PORT?"]


def test_a_source_of_lower_rank_need_not_be_readable(tmp_path):
    """It is named by explain and not read."""
    found = App.load(environ={"ODD_KEY_FILE": str(tmp_path / "no")}, key=VALUE)
    assert found.explain()[0].shadowed == (f"file {tmp_path}/no (ODD_KEY_FILE)",)


@pytest.mark.parametrize(
    "text",
    [VALUE, f"{VALUE}\n{'b' * 32}", 'quote"d \\back', "tab\there-and-there", "käse-käse", "a/b c&d=%"],
)
def test_redact_finds_a_value_however_it_is_spelt(text):
    """In a repr, in JSON and in a URL; a ring's keys one by one."""
    import json
    from urllib.parse import quote, quote_plus

    secret = Secret(text)
    for spelt in (text, repr(text)[1:-1], repr({"k": text}), json.dumps(text), quote(text), quote_plus(text)):
        shown = redact(f"before {spelt} after")
        assert "<redacted>" in shown
        assert spelt.strip("\"'") not in shown
    for word in text.split("\n") if len(text) > 40 else []:
        assert redact(f"x{word}y") == "x<redacted>y"
    assert redact({text, 1}) == {"<redacted>", 1}
    assert secret.reveal() == text


def test_redact_survives_what_contains_itself():
    """A structure that cannot be searched is hidden as a whole."""
    kept = Secret(VALUE)
    loop = [kept.reveal()]
    loop.append(loop)
    assert VALUE not in repr(redact(loop))


def test_redact_searches_what_derives_from_a_list_or_a_tuple():
    """A named tuple or a library's own list is no hiding place."""
    kept = Secret(VALUE)

    class Row(NamedTuple):
        url: str

    class Rows(list):
        pass

    assert redact({"rows": Rows([Row(f"redis://{kept.reveal()}@host")])}) == {"rows": [("redis://<redacted>@host",)]}


def test_a_secret_that_is_not_among_the_choices_is_not_compared_in_the_message():
    """What is close to it would tell what it is."""

    class Chosen(Settings, prefix="CHOSEN_"):
        mode: str = setting(doc="", choices=("alpha", "beta"), secret=True)

    with pytest.raises(ConfigError) as caught:
        Chosen.load(environ={"CHOSEN_MODE": "alpah"})
    assert str(caught.value) == "mode: env CHOSEN_MODE is not one of alpha, beta."
