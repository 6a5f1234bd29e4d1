"""A Secret never shows itself, and cannot become a signing key by accident."""

import collections
import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback

import pydantic
import pytest

from pentad_config import Secret, SecretMisuse, override, reveal

VALUE = "hunter2-hunter2-hunter2"
MARK = "<Secret APP_KEY: redacted>"


@dataclasses.dataclass
class Holder:
    key: Secret


class Model(pydantic.BaseModel):
    key: Secret


def _secret_file(tmp_path, value=VALUE):
    path = tmp_path / "key"
    path.write_text(value)
    return path


@pytest.fixture(params=["literal", "bytes", "callable", "env", "file"])
def secret(request, tmp_path, monkeypatch):
    monkeypatch.setenv("APP_KEY", VALUE)
    secret = {
        "literal": lambda: Secret(VALUE, name="APP_KEY"),
        "bytes": lambda: Secret(VALUE.encode(), name="APP_KEY"),
        "callable": lambda: Secret(lambda: VALUE, name="APP_KEY"),
        "env": lambda: Secret.at("env:APP_KEY"),
        "file": lambda: Secret.at(f"file:{_secret_file(tmp_path)}", name="APP_KEY"),
    }[request.param]()
    assert reveal(secret) in (VALUE, VALUE.encode())  # it has been used before it is shown
    return secret


SHOWN = {
    "repr": repr,
    "str": str,
    "f-string": lambda s: f"{s}",
    "f-string with width": lambda s: f"{s:>60}",
    "percent": lambda s: "%s" % s,  # noqa: UP031
    "percent r": lambda s: "%r" % s,  # noqa: UP031
    "format": "{}".format,
    "json with default=str": lambda s: json.dumps({"key": s}, default=str),
    "json with default=repr": lambda s: json.dumps({"key": s}, default=repr),
    "pprint": lambda s: pprint.pformat({"key": [s]}),
    "dataclass": lambda s: repr(Holder(s)),
    "asdict": lambda s: repr(dataclasses.asdict(Holder(s))),
    "pydantic repr": lambda s: repr(Model(key=s)),
    "pydantic dump": lambda s: repr(Model(key=s).model_dump()),
    "pydantic json": lambda s: Model(key=s).model_dump_json(),
    "copy": lambda s: repr(copy.copy(s)),
    "deepcopy": lambda s: repr(copy.deepcopy({"key": s})),
    "dir": lambda s: repr([(n, getattr(s, n)) for n in ("name", "ref", "problem")]),
    "slots": lambda s: repr([getattr(s, n) for n in s.__slots__]),
    "defaultdict": lambda s: repr(collections.defaultdict(list, key=[s])),
    "exception": lambda s: repr(ValueError(s)) + str(ValueError(s)),
    "log record": lambda s: logging.LogRecord("n", 20, "p", 1, "key %s %r", (s, s), None).getMessage(),
}


@pytest.mark.parametrize("way", SHOWN)
def test_no_way_of_showing_a_secret_shows_its_value(secret, way):
    """Whatever turns a secret into text yields the marker or nothing, for every kind of source."""
    assert VALUE not in SHOWN[way](secret)


def test_the_marker_names_the_secret(secret):
    """A reader of a log can tell which secret stood there."""
    assert str(secret) == repr(secret) == f"{secret}" == MARK


def test_vars_finds_nothing_to_show(secret):
    """A secret has no instance dictionary."""
    with pytest.raises(TypeError):
        vars(secret)


def test_a_traceback_with_locals_shows_the_marker(secret):
    """Frames that hold the secret are rendered without the value."""
    try:
        key = secret  # noqa: F841
        raise RuntimeError("boom")
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert MARK in text
    assert VALUE not in text


def test_str_of_a_secret_refuses_to_become_bytes(secret):
    """A library that calls str() and then encodes gets an error instead of a key that everybody knows."""
    with pytest.raises(SecretMisuse, match=r"APP_KEY: redacted> was about to be used as bytes\. Pass secret\.reveal"):
        str(secret).encode()
    with pytest.raises(SecretMisuse):
        bytes(secret)


def test_a_secret_alone_in_an_f_string_refuses_to_become_bytes(secret):
    """So does `format`."""
    for text in (f"{secret}", format(secret)):
        assert text == MARK
        with pytest.raises(SecretMisuse):
            text.encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.strip(),
        lambda text: text.lstrip(),
        lambda text: text.rstrip(),
        lambda text: text.strip("<>"),
        lambda text: text[:32],
        lambda text: text[0],
        lambda text: text.ljust(64),
        lambda text: text.rjust(64, "0"),
        lambda text: text.center(64),
        lambda text: text.zfill(64),
        lambda text: text * 2,
    ],
)
def test_what_is_cut_or_padded_from_str_of_a_secret_refuses_to_become_a_key(secret, change):
    """Code that brings a key to the length that a cipher wants gets the same error as code that takes it as it is."""
    changed = change(str(secret))
    with pytest.raises(SecretMisuse, match="was about to be used as bytes"):
        changed.encode()
    with pytest.raises(SecretMisuse, match="redaction marker"):
        Secret(changed)


@pytest.mark.parametrize("marker", [MARK, f"redis://:{MARK}@host", "**********", b"********", f"x{MARK}".encode()])
def test_a_marker_is_refused_where_a_secret_is_wanted(marker):
    """What was printed instead of a secret cannot be used as one."""
    with pytest.raises(SecretMisuse, match="redaction marker, not a secret"):
        Secret(marker, name="secret_key")
    with pytest.raises(SecretMisuse, match="secret_key: this is a redaction marker"):
        reveal(marker, name="secret_key")


def test_comparison_is_by_value_and_in_constant_time(secret):
    """Equality reveals nothing but yes or no, and works with text, bytes and other secrets."""
    assert secret == VALUE
    assert secret == Secret(VALUE)
    assert secret.matches(VALUE.encode())
    assert not secret.matches("something else")
    assert secret != 7


def test_a_secret_is_unhashable(secret):
    """It cannot become a dictionary key by accident."""
    with pytest.raises(TypeError):
        hash(secret)


def test_pickle_carries_the_reference_and_not_the_value(tmp_path):
    """The other process reads the file itself."""
    secret = Secret.at(f"file:{_secret_file(tmp_path)}", name="APP_KEY")
    data = pickle.dumps(secret)
    assert VALUE.encode() not in data
    again = pickle.loads(data)
    assert again.reveal() == VALUE
    assert again.name == "APP_KEY"


def test_a_literal_is_not_pickled():
    """A value without a reference would have to travel in clear."""
    with pytest.raises(SecretMisuse, match="holds a literal value and is not pickled. Give it as env: or file:."):
        pickle.dumps(Secret(VALUE, name="X"))


def test_references_are_recognised_and_other_text_is_the_value(tmp_path):
    """env:, file: and literal: are special; a plain string stays what it has always been."""
    with override(APP_KEY="from-env"):
        assert Secret.at("env:APP_KEY").reveal() == "from-env"
    assert Secret.at(f"file:{_secret_file(tmp_path)}").reveal() == VALUE
    assert Secret.at("literal:file:/x").reveal() == "file:/x"
    assert Secret.at("redis://:pw@host").reveal() == "redis://:pw@host"


def test_text_and_data_convert():
    """Callers that need one form get it."""
    assert Secret("käse").data() == "käse".encode()
    assert Secret("käse".encode()).text() == "käse"


def test_a_variable_that_is_not_set_is_named():
    """The message says which variable to set."""
    with (
        override(APP_KEY=None),
        pytest.raises(ValueError, match="APP_KEY: the environment variable APP_KEY is not set"),
    ):
        Secret.at("env:APP_KEY").reveal()


def test_a_variable_may_be_taken_out_of_the_environment_after_the_first_use():
    """Child processes then do not inherit the secret, and this one keeps it."""
    with override(APP_KEY=VALUE):
        secret = Secret.at("env:APP_KEY")
        secret.reveal()
    assert secret.reveal() == VALUE


class _Pretend:
    def get_secret_value(self):
        return VALUE


@pytest.mark.parametrize(
    "given",
    [VALUE, Secret(VALUE), lambda: VALUE, lambda: Secret(VALUE), pydantic.SecretStr(VALUE), _Pretend()],
    ids=["text", "secret", "callable", "callable secret", "pydantic", "lookalike"],
)
def test_reveal_takes_every_usual_kind_of_secret(given):
    """The packages accept what users already have."""
    assert reveal(given) == VALUE


def test_reveal_takes_no_text_from_objects_that_are_only_called_like_a_secret():
    """Another module's class of that name, and another class of that module, mean something else by `str`."""
    from starlette.datastructures import URL

    class Other:
        def __str__(self):
            return VALUE

    Other.__name__ = "Secret"
    for given in (Other(), URL("http://host")):
        with pytest.raises(SecretMisuse, match="text, bytes, a Secret or a callable is needed"):
            reveal(given)


def test_reveal_refuses_what_is_no_secret():
    """The message names the type, never the value."""
    with pytest.raises(SecretMisuse, match="db: text, bytes, a Secret or a callable is needed, not int"):
        reveal(12345, name="db")


def test_a_secret_that_was_refused_half_built_can_be_shown():
    """Reports of errors print the objects they find in the frames."""
    with pytest.raises(SecretMisuse) as caught:
        Secret("*" * 10, name="APP_KEY")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert MARK in [frame.locals.get("self") for frame in told.stack if frame.locals]
