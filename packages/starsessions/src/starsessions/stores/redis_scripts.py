"""What Redis does in one step: comparing a record and changing it, keeping a user's list of sessions.

The scripts need Redis 6.2 or any Valkey.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing

from redis.exceptions import NoScriptError

__all__ = ["NOTE", "SWAP", "Script"]


@dataclasses.dataclass(frozen=True)
class Script:
    """A Lua script that the server remembers by its digest."""

    text: str
    digest: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    async def run(self, client: typing.Any, keys: typing.Sequence[str], *arguments: str | bytes | float) -> typing.Any:
        """Run the script; a server that does not know it yet, or was restarted, gets its text."""
        try:
            return await client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self.text, len(keys), *keys, *arguments)


SWAP = Script("""
-- KEYS: where to store, then where the record may be that was read. If the session gets another name, ARGV has a
-- fourth and fifth: that name and for how many seconds to remember it, under as many further KEYS.
-- ARGV: digest of the record that was read ('' for none), seconds to live (0: delete only), the new record.
-- Nil if done, the present record if it is another one, '' if there is none.
local last = ARGV[4] and (#KEYS + 1) / 2 or #KEYS
local found
for i = 2, last do
  local present = redis.call('GET', KEYS[i])
  if present then
    if redis.sha1hex(present) ~= ARGV[1] then return present end
    found = i
    break
  end
end
if not found and ARGV[1] ~= '' then
  -- A client whose connection broke asks once more: what has been done is not to be taken for someone else's doing.
  if ARGV[4] and redis.call('GET', KEYS[1]) == ARGV[3] then return false end
  return ''
end
local seconds = tonumber(ARGV[2])
for i = 2, last do
  if seconds == 0 or KEYS[i] ~= KEYS[1] then redis.call('DEL', KEYS[i]) end
end
if found and ARGV[4] then redis.call('SET', KEYS[found + last - 1], ARGV[4], 'EX', ARGV[5]) end
if seconds > 0 then redis.call('SET', KEYS[1], ARGV[3], 'EX', seconds) end
return false
""")

NOTE = Script("""
-- KEYS: the list of one user's sessions. ARGV: now, handle, entry, seconds to live.
-- Adds the entry; entries whose sessions must have ended by now leave. A few are looked at each time, so that
-- somebody who signs in again and again keeps the server no busier than others; a short list is looked at whole.
local entries = redis.call('HRANDFIELD', KEYS[1], 64, 'WITHVALUES')
for i = 1, #entries, 2 do
  local known, entry = pcall(cjson.decode, entries[i + 1])
  if not known or entry.ends < tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], entries[i]) end
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
""")
