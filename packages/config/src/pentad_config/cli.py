"""`pentad-config check | explain | docs | schema | ring`."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pentad_config.conflicts import conflicts
from pentad_config.errors import ConfigError, SecretMisuse
from pentad_config.fields import Field
from pentad_config.redaction import redact, without_passwords
from pentad_config.ringfile import KINDS, add, promote, prune
from pentad_config.secret import Secret
from pentad_config.settings import Settings, secrets_of
from pentad_config.tokens import seconds_left

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_PIPE_CLOSED = 128 + 13  # SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 if all is well, 1 if there are problems, 2 for wrong usage or a module that cannot be imported, 141 if whoever
    reads the output stopped reading, as shells report it of other programs.
    """
    options = _parser().parse_args(arguments)
    try:
        status = _status(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer would fail once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return status


def _status(options: argparse.Namespace) -> int:
    try:
        return int(options.run(options) or 0)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    except SecretMisuse as error:
        print(error, file=sys.stderr)
        return 1
    except _Usage as error:
        print(f"pentad-config: {error}", file=sys.stderr)
        return 2


class _Usage(Exception):  # noqa: N818  it ends the command, no caller handles it
    """The command line names something that is not there."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pentad-config", description="Check and explain settings and key rings.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function, text in (
        ("check", _check, "load the settings and say what is wrong with them; exit 1 if anything is"),
        ("explain", _explain, "show every setting, its value and where it came from"),
        ("docs", _docs, "write a table of the settings in Markdown"),
        ("schema", _schema, "write the settings as a JSON schema; those of several classes as its $defs"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        if name == "check":
            command.add_argument(
                "target",
                nargs="*",
                metavar="TARGET",
                help="MODULE:CLASS, a Settings class, or a secret: file:/path, env:X",
            )
        else:
            command.add_argument("target", nargs="+", metavar="MODULE:CLASS", help="a Settings class")
        command.add_argument("--credentials", action="append", default=[], metavar="DIR", help="a folder of secrets")
        command.set_defaults(run=function)
    ring = commands.add_parser("ring", help="change a file of keys, atomically", description="Change a file of keys.")
    ring.add_argument("action", choices=("add", "promote", "prune"), help="what to do")
    ring.add_argument("file", help="the file: one key a line, the signing key first")
    ring.add_argument("--keep", type=int, default=2, metavar="N", help="how many keys prune leaves (default 2)")
    ring.add_argument(
        "--for",
        dest="kind",
        choices=KINDS,
        default="text",
        help="what the key of add is for: text, such as signing cookies (the default), a Fernet key, or 32 bytes in "
        "base64 for AES-256",
    )
    ring.set_defaults(run=_ring)
    return parser


def _targets(options: argparse.Namespace) -> list[type[Settings]]:
    return [_target(text) for text in options.target]


def _target(text: str) -> type[Settings]:
    module, colon, name = text.partition(":")
    if not (colon and module and name) or module.startswith("."):
        raise _Usage(f"{text}: say MODULE:CLASS, for example project.conf:AppSettings")
    # Only for a module that was asked for: other commands must not run what lies in the folder they are called in.
    if "" not in sys.path:
        sys.path.insert(0, "")
    found = getattr(_imported(module, text), name, None)
    if not (isinstance(found, type) and issubclass(found, Settings)):
        raise _Usage(f"{text}: {name} is not a Settings class of {module}")
    return found


def _imported(module: str, target: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise _Usage(f"{target}: there is no module {error.name}") from None
    except (ConfigError, SecretMisuse):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a module may raise anything, and end the program
        said = without_passwords(redact(" ".join(f"{type(error).__name__}: {error}".split())))
        raise _Usage(f"{target}: {module} fails when it is imported: {said}") from None


def _check(options: argparse.Namespace) -> int:
    problems: list[str] = conflicts()
    for text in options.target:
        if text.startswith(("file:", "env:")):
            problems += _check_secret(Secret.at(text))
        else:
            problems += _check_settings(_target(text), options.credentials)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print("no problems")
    return 1 if problems else 0


def _check_settings(target: type[Settings], credentials: list[str]) -> list[str]:
    try:
        loaded = target.load(credentials=credentials)
    except ConfigError as error:
        return [f"{target.__name__}.{problem}" for problem in error.problems]
    _print_notes(loaded)
    return [
        f"{target.__name__}.{name}: {expired}" for name, secret in _secrets(loaded) if (expired := _expired(secret))
    ]


def _check_secret(secret: Secret) -> list[str]:
    """Check a secret that is in no Settings class: one that a trait or a Django setting names."""
    try:
        expired = _expired(secret)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    except SecretMisuse as error:
        return [str(error)]
    _print_secret_notes(secret.name, secret)
    return [f"{secret.name}: {expired}"] if expired else []


def _expired(secret: Secret) -> str:
    left = seconds_left(secret.reveal())
    if left is None or left > 0:
        return ""
    return f"{secret.ref or 'its value'} is a token that expired {_age(-left)} ago. Renew it, and see who should have."


def _explain(options: argparse.Namespace) -> None:
    for target in _targets(options):
        loaded = target.load(credentials=options.credentials)
        rows: list[tuple[str, ...]] = [("setting", "value", "source", "age")]
        rows += [(item.name, item.value, item.source, _age(item.age)) for item in loaded.explain()]
        _print_table(rows)
        for item in loaded.explain():
            for source in item.shadowed:
                print(f"note  {item.name}: also in {source} (not used)")
        _print_notes(loaded)


def _secrets(loaded: Settings) -> list[tuple[str, Secret]]:
    names = [field.name for field in type(loaded).describe()]
    return [(name, secret) for name in names for secret in secrets_of(getattr(loaded, name))]


def _print_notes(loaded: Settings) -> None:
    for name, secret in _secrets(loaded):
        _print_secret_notes(name, secret)


def _print_secret_notes(name: str, secret: Secret) -> None:
    mode = _mode(secret)
    if mode & stat.S_IROTH:
        print(
            f"note  {name}: readable by every user ({mode:04o}); Kubernetes and Docker mount secrets "
            "like this, on a shared host use 0600"
        )
    left = seconds_left(secret.reveal())
    if left is not None:
        print(f"note  {name}: a token that {f'expires in {_age(left)}' if left > 0 else f'expired {_age(-left)} ago'}")


def _mode(secret: Secret) -> int:
    """Return the permissions of the secret's file, or 0 if it has none."""
    kind, _, path = (secret.ref or "").partition(":")
    return stat.S_IMODE(os.stat(path).st_mode) if kind == "file" else 0


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _docs(options: argparse.Namespace) -> None:
    for target in _targets(options):
        print("| variable | type | default | meaning |\n| --- | --- | --- | --- |")
        for field in target.describe():
            print(f"| `{field.env}` | {_cell(field.type_name)} | {_cell(_default(field))} | {_cell(field.doc)} |")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _default(field: Field) -> str:
    if field.required:
        return "required"
    if field.secret or callable(field.default):
        return "set" if field.default is not None else ""
    return "" if field.default is None else f"`{field.default}`"


def _schema(options: argparse.Namespace) -> None:
    schemas = {text: _object(target) for text, target in zip(options.target, _targets(options), strict=True)}
    # One document whatever the number of classes, so that what is printed is JSON.
    content = next(iter(schemas.values())) if len(schemas) == 1 else {"$defs": schemas}
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=2))


def _object(target: type[Settings]) -> dict[str, Any]:
    fields = target.describe()
    return {
        "title": target.__name__,
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _property(field: Field) -> dict[str, Any]:
    kinds = {"int": "integer", "float": "number", "bool": "boolean"}
    found: dict[str, Any] = {"type": kinds.get(field.type_name, "string"), "description": field.doc}
    if field.choices:
        found["enum"] = [choice if isinstance(choice, (str, int, float)) else str(choice) for choice in field.choices]
    if field.secret:
        found["writeOnly"] = True
    elif not field.required and isinstance(field.default, (str, int, float, bool)):
        found["default"] = field.default
    return found


def _ring(options: argparse.Namespace) -> None:
    if options.action == "add":
        count = add(options.file, options.kind)
    elif options.action == "promote":
        count = promote(options.file)
    else:
        count = prune(options.file, options.keep)
    print(f"{options.file}: {count} keys")
