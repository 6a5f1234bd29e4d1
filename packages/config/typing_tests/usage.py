"""What a type checker sees of pentad_config."""

from typing import assert_type

from pentad_config import KeyRing, Secret, Settings, Together, redact, reveal, setting


class App(Settings, prefix="APP_"):
    key: Secret = setting(doc="signs")
    port: int = setting(8000, doc="port")
    name: str | None = setting(None, doc="name")


app = App.load()
assert_type(app, App)
assert_type(app.key, Secret)
assert_type(app.port, int)
assert_type(app.name, str | None)
assert_type(app.key.reveal(), str | bytes)
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
