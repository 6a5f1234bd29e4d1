"""What a type checker sees of pentad_config."""

from typing import assert_type

from traitlets import HasTraits

from pentad_config import ConfigError, KeyRing, Problem, Secret, Settings, Together, override, redact, reveal, setting
from pentad_config.django import django_keys
from pentad_config.logs import install, redact_event
from pentad_config.minio import SecretProvider
from pentad_config.pydantic import SecretSource
from pentad_config.redis import RedisCredentials
from pentad_config.traitlets import SecretTrait


class App(Settings, prefix="APP_"):
    key: Secret = setting(doc="signs")
    port: int = setting(8000, doc="port")
    name: str | None = setting(None, doc="name")
    keys: KeyRing | None = setting(None, doc="keys")


app = App.load()
assert_type(app, App)
assert_type(app.key, Secret)
assert_type(app.port, int)
assert_type(app.name, str | None)
assert_type(app.keys, KeyRing | None)
assert_type(app.key.reveal(), str | bytes)
assert_type(app.key.matches("x"), bool)
assert_type(app.key.age, float | None)
assert_type(app.key.problem, Exception | None)
assert_type(app.key.text(), str)
assert_type(app.key.data(), bytes)
assert_type(Secret.at("env:X", ttl=2.0).ref, str | None)

ring = KeyRing(app.key, settle=1.0)
assert_type(ring.newest_first(), list[str])
assert_type(ring.derived("length", lambda r: len(r.primary)), int)
assert_type(Together(app.key, app.key).reveal(), tuple[str | bytes, ...])
assert_type(reveal("x"), str | bytes)
redact({"a": 1})
App.load(environ={}, port=1)

assert_type(ring.problem, Exception | None)
assert_type(ring.refresh(), bool)
assert_type(django_keys(ring), tuple[str, list[str]])
assert_type(SecretProvider(app.key, app.key).generation, int)
assert_type(RedisCredentials(app.key, "user").get_credentials(), tuple[str] | tuple[str, str])
assert_type(SecretTrait(help="a token").tag(config=True), SecretTrait)


class Reporter(HasTraits):
    token = SecretTrait(help="what the report is sent with")


reporter = Reporter(token="file:/run/secrets/token")
reporter.token = b"token"
assert_type(reporter.token, Secret | None)
install()
redact_event({"event": "x"})
source: type[SecretSource] = SecretSource
with override(APP_PORT="1", APP_NAME=None):
    pass
try:
    App.load({"port": 2}, credentials=["/run/secrets"], strict=False)
except ConfigError as error:
    assert_type(error.problems, list[Problem])
