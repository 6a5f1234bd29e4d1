"""`starsessions list | revoke`: a user's sessions in Redis, for whoever answers the phone."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import sys
import typing

from pentad_config import ConfigError
from starsessions.exceptions import SessionError
from starsessions.users import list_sessions, revoke_all_sessions, revoke_session

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from starsessions.stores import UserSession
    from starsessions.stores.redis import RedisStore

__all__ = ["main"]

_DEFAULT_URL = "env:REDIS_URL"
_REFERENCES = ("env:", "file:")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 if it was done, 1 if the user has no such session or Redis cannot be asked, 2 for wrong usage.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.url.startswith(_REFERENCES):
        # A command line is seen by every user of the machine, and remembered by the shell.
        parser.error("--url: say where the URL is, env:NAME or file:/path, so that its password stays out of sight")
    try:
        return asyncio.run(_run(options))
    except (ConfigError, SessionError) as error:
        print(f"starsessions: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="starsessions", description="List and end a user's sessions in Redis.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="show a user's sessions, the one last seen first")
    listing.add_argument("--json", action="store_true", help="one JSON document, times in seconds since the epoch")
    listing.set_defaults(run=_list)
    revoking = commands.add_parser("revoke", help="end one of a user's sessions, or all of them")
    revoking.set_defaults(run=_revoke)
    for command in (listing, revoking):
        command.add_argument("user", metavar="USER", help="the user, as the application gave it to sign_in")
        command.add_argument(
            "--url", default=_DEFAULT_URL, help=f"where the URL of Redis is: env:NAME or file:/path ({_DEFAULT_URL})"
        )
        command.add_argument("--prefix", default="starsessions.", help="the store's prefix (%(default)s)")
    chosen = revoking.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--handle", metavar="HANDLE", help="the session, as list names it")
    chosen.add_argument("--all", action="store_true", help="all of them")
    return parser


async def _run(options: argparse.Namespace) -> int:
    try:
        from redis.exceptions import RedisError

        from starsessions.stores.redis import RedisStore
    except ModuleNotFoundError:
        print("starsessions: redis-py is not installed: pip install pentad-starsessions[redis]", file=sys.stderr)
        return 1
    store = RedisStore(options.url, prefix=options.prefix)
    try:
        return int(await options.run(store, options))
    except (RedisError, OSError) as error:
        print(f"starsessions: Redis: {error}", file=sys.stderr)
        return 1
    finally:
        await store.aclose()


async def _list(store: RedisStore, options: argparse.Namespace) -> int:
    sessions = await list_sessions(store, options.user)
    if options.json:
        print(json.dumps([_entry(session) for session in sessions]))
    for session in () if options.json else sessions:
        print(f"{session.handle}  {_time(session.created)}  {_time(session.last_seen)}  {_printable(session.device)}")
    return 0


async def _revoke(store: RedisStore, options: argparse.Namespace) -> int:
    if options.all:
        ended = await revoke_all_sessions(store, options.user)
    else:
        ended = int(await revoke_session(store, options.user, options.handle))
        if not ended:
            print(f"starsessions: the user has no session {_printable(options.handle)}", file=sys.stderr)
            return 1
    print(f"{ended} ended")
    return 0


def _entry(session: UserSession) -> dict[str, typing.Any]:
    return {
        "handle": session.handle,
        "device": session.device,
        "created": session.created,
        "last_seen": session.last_seen,
    }


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def _printable(text: str) -> str:
    """Return a text that a terminal shows and does not obey."""
    return "".join(character if character.isprintable() else "?" for character in text)
