"""Cutting SQL text into statements and clauses without being misled by strings and comments."""

import re
from collections.abc import Iterator
from functools import cache

__all__ = ("NAME", "clauses", "pattern", "statements")

NAME = r'(?:"(?:""|[^"])+"|[A-Za-z_]\w*)'
"""Matches a name, quoted or not."""


@cache
def pattern(text: str) -> "re.Pattern[str]":
    """Return a regular expression, compiled when it is first needed: most commands look at no statement."""
    return re.compile(text, re.IGNORECASE | re.DOTALL)


_LEXEME = r"""(?x)
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<string> [eE]'(?:\\.|''|[^'\\])*' | '(?:''|[^'])*' | (?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag) )
    | (?P<name> "(?:""|[^"])*" )
    | (?P<other> [\w.]+ | \s+ | . )
"""


# Where none of these is, a text is one statement as it stands; Django's own are.
_INTRICATE = r"[;'$]|[^\S ]|\s\s|--|/\*"


def statements(sql: str) -> list[str]:
    """Return the statements of a script, without comments, each string literal emptied, each space single."""
    if not pattern(_INTRICATE).search(sql):
        return [text] if (text := sql.strip()) else []
    found: list[list[str]] = [[]]
    for kind, text in _tokens(sql):
        if kind == "other" and text == ";":
            found.append([])
        elif kind == "string":
            found[-1].append("''")
        elif kind == "comment" or text.isspace():
            found[-1].append(" ")
        else:
            found[-1].append(text)
    # A name may hold spaces that count, so only the blanks between tokens are made one.
    joined = (_joined(parts) for parts in found)
    return [text for text in joined if text]


def _joined(parts: list[str]) -> str:
    kept: list[str] = []
    for part in parts:
        if part != " " or (kept and kept[-1] != " "):
            kept.append(part)
    return "".join(kept).strip()


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    for match in pattern(_LEXEME).finditer(sql):
        kind = "string" if match["string"] else match.lastgroup or "other"
        yield kind, match[0]


def clauses(text: str) -> list[str]:
    """Split at the commas that are in no parentheses and in no quoted name."""
    if "," not in text:
        return [text.strip()] if text.strip() else []
    found, depth = [""], 0
    for _, part in _tokens(text):
        depth += {"(": 1, ")": -1}.get(part, 0)
        if part == "," and depth == 0:
            found.append("")
        else:
            found[-1] += part
    return [clause.strip() for clause in found if clause.strip()]
