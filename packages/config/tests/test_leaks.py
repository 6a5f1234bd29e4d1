"""Whatever holds a secret shows it nowhere: objects, their attributes, errors and the tracebacks of errors."""

import copy
import dataclasses
import json
import logging
import os
import pickle
import pprint
import shutil
import tempfile
import traceback
from pathlib import Path

import pydantic
import pytest

from pentad_config import ConfigError, KeyRing, Secret, SecretMisuse, Settings, Together, override, reveal, setting
from pentad_config.minio import SecretProvider
from pentad_config.redis import RedisCredentials

VALUE = "hunter2-hunter2-hunter2-hunter2-hunter2"


class App(Settings, prefix="APP_"):
    key: Secret = setting(doc="a secret")
    keys: KeyRing = setting(doc="a ring")
    maybe: Secret | None = setting(None, doc="an optional secret")
    plain: str = setting("", doc="text that is secret", secret=True)
    many: list[Secret] = setting(list, doc="several")


ENVIRON = {f"APP_{name}": VALUE for name in ("KEY", "KEYS", "MAYBE", "PLAIN", "MANY")}


class Model(pydantic.BaseModel):
    key: Secret


def used_ring():
    ring = KeyRing([VALUE, VALUE[::-1]])
    ring.derived("signer", lambda r: len(r.primary))
    return ring


def used(holder, use):
    use(holder)
    return holder


HOLDERS = {
    "literal": lambda: Secret(VALUE),
    "bytes": lambda: Secret(VALUE.encode()),
    "callable": lambda: used(Secret(lambda: VALUE), Secret.reveal),
    "ring": used_ring,
    "bundle": lambda: used(Together(Secret(VALUE), Secret(VALUE)), Together.reveal),
    "settings": lambda: App.load(environ=ENVIRON),
    "minio provider": lambda: used(SecretProvider(Secret(VALUE), Secret(VALUE)), SecretProvider.retrieve),
    "redis credentials": lambda: RedisCredentials(Secret(VALUE)),
    "pydantic model": lambda: Model(key=VALUE),
    "source": lambda: Secret(VALUE)._source,
}


def in_a_file():
    path = Path(tempfile.mkdtemp()) / "key"
    path.write_text(VALUE)
    os.utime(path, (1, 1))
    secret = Secret.at(f"file:{path}")
    secret.reveal()
    shutil.rmtree(path.parent)
    return secret


def in_the_environment():
    with override(LEAK_KEY=VALUE):
        return used(Secret.at("env:LEAK_KEY"), Secret.reveal)


#: These are pickled: the pickle says where the value is.
REFERENCES = {"file": in_a_file, "environment": in_the_environment}
EVERY = {**HOLDERS, **REFERENCES}


@dataclasses.dataclass
class Record:
    holder: object


def with_locals(error):
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def raised_beside(holder):
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        return with_locals(error)


def attributes(holder):
    try:
        return pprint.pformat(vars(holder))
    except TypeError:
        return ""


def logged(holder):
    return logging.LogRecord("n", 20, "p", 1, "%s %r", (holder, holder), None).getMessage()


SHOWN = {
    "repr": repr,
    "str": str,
    "f-string": lambda h: f"{h}",
    "format": lambda h: format(h) + "{!r:>50}".format(h),  # noqa: UP032
    "percent": lambda h: "%s %r" % (h, h),  # noqa: UP031
    "json": lambda h: json.dumps({"h": h}, default=str) + json.dumps({"h": h}, default=repr),
    "vars": attributes,
    "vars, one deeper": lambda h: "".join(attributes(item) for item in getattr(h, "__dict__", {}).values()),
    "dataclass": lambda h: f"{Record(h)} {dataclasses.asdict(Record(h))} {vars(Record(h))}",
    "pprint": lambda h: pprint.pformat({"h": [h]}),
    "copy": lambda h: "".join(repr(c) + attributes(c) for c in (copy.copy(h), copy.deepcopy(h))),
    "logging": logged,
    "traceback with locals": raised_beside,
    "state": lambda h: repr(h.__getstate__()),
    "exception argument": lambda h: repr(ValueError(h)),
}


@pytest.mark.parametrize("way", SHOWN)
@pytest.mark.parametrize("kind", EVERY)
def test_a_holder_never_shows_its_value(kind, way):
    """Every object that holds a secret, shown in every way Python has."""
    holder = EVERY[kind]()
    try:
        shown = SHOWN[way](holder)
    except (SecretMisuse, TypeError) as refusal:
        shown = str(refusal)
    assert VALUE not in shown
    assert VALUE[::-1] not in shown


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_holder_of_a_literal_is_not_pickled_in_clear(kind):
    """A pickle would carry the value to wherever it goes."""
    with pytest.raises((SecretMisuse, TypeError, AttributeError)):
        pickle.dumps(HOLDERS[kind]())


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_pickle_holds_the_reference_and_no_value(kind):
    """The other side looks it up."""
    assert VALUE.encode() not in pickle.dumps(REFERENCES[kind]())


@pytest.mark.parametrize("kind", ["literal", "bytes", "callable", *REFERENCES])
def test_a_pydantic_model_dumps_no_value(kind):
    """Neither as Python nor as JSON, nor in its schema."""
    model = Model(key=EVERY[kind]())
    assert VALUE not in f"{model} {model!r} {model.model_dump()} {model.model_dump_json()} {Model.model_json_schema()}"


def test_the_credentials_minio_signs_with_do_not_show_in_its_frames():
    """minio keeps them in a local variable while it sends a request."""
    credentials = SecretProvider(Secret(VALUE), Secret(VALUE)).retrieve()
    assert credentials.secret_key == VALUE
    assert VALUE not in repr(credentials) + raised_beside(credentials) + pprint.pformat([credentials])


def test_the_matrix_would_notice_a_leak():
    """An ordinary object fails the same checks."""

    class Plain:
        def __init__(self):
            self.key = VALUE

    assert VALUE in attributes(Plain())
    assert VALUE in repr(SecretMisuse(VALUE))
    assert VALUE in raised_beside(VALUE)


def file_of(tmp_path, content):
    path = tmp_path / "k"
    path.write_bytes(content)
    return Secret.at(f"file:{path}", name="key")


FAILURES = {
    "blanks in a file": lambda tmp: file_of(tmp, VALUE.encode() + b"  \n").reveal(),
    "a byte order mark": lambda tmp: file_of(tmp, b"\xef\xbb\xbf" + VALUE.encode()).reveal(),
    "a file that is not text": lambda tmp: file_of(tmp, VALUE.encode() + b"\xff").reveal(),
    "a file that is too large": lambda tmp: file_of(tmp, VALUE.encode() * 3000).reveal(),
    "a ring with a short key": lambda tmp: KeyRing(file_of(tmp, f"{VALUE}\nshort".encode())),
    "a ring of bytes that are not text": lambda tmp: KeyRing(Secret(b"\xff" + VALUE.encode())),
    "bytes that are not text": lambda tmp: Secret(b"\xff" + VALUE.encode()).text(),
    "text that cannot be encoded": lambda tmp: Secret("\udcff" + VALUE).data(),
    "a callable's wrong answer": lambda tmp: Secret(lambda: {"password": VALUE}).reveal(),
    "settings with a short ring": lambda tmp: App.load(environ={**ENVIRON, "APP_KEYS": f"{VALUE} short"}),
    "settings with another problem": lambda tmp: App.load(environ={**ENVIRON, "APP_KEE": "1"}),
    "a bundle of plain text": lambda tmp: Together(*[VALUE]),
    "a list where a secret is wanted": lambda tmp: reveal([VALUE]),
}


@pytest.mark.parametrize("case", FAILURES)
def test_the_traceback_of_an_error_shows_no_value(case, tmp_path):
    """The frames in which a value was found unusable are gone when the error arrives; Sentry shows the others."""
    with pytest.raises((ConfigError, SecretMisuse)) as caught:
        FAILURES[case](tmp_path)
    shown = [caught.value, None if caught.value.__suppress_context__ else caught.value.__context__]
    frames = [frame for error in shown if error for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [repr(frame.f_locals) for frame in frames if "pentad_config" in frame.f_code.co_filename]
    assert own, "no frame of the package was looked at"
    assert VALUE not in "".join(own)
    assert VALUE not in str(caught.value) + repr(caught.value.args)
