"""The one place where a value becomes text of a shell command or of a job script.

A job script has two languages: ``#SBATCH`` lines, which sbatch reads with quoting rules of its own, and bash below
them. Values for the first are limited to a grammar that needs no quoting (see `grammar`); values for the
second pass through the functions below.
"""

import re
import shlex
from collections.abc import Iterable

_VARIABLE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
_NOT_PLAIN = re.compile(r"[^\w@%+=:,./-]")


def shell_words(words: Iterable[str]) -> str:
    """Words of a command line, each quoted so that bash passes it on unchanged."""
    return " ".join(shlex.quote(word) for word in words)


def _escaped(text: str) -> str:
    return _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text)


def double_quoted(text: str, *, expand_variables: bool = False) -> str:
    """The inside of a double-quoted bash string that yields `text`.

    With `expand_variables`, meant for the administrator's own configuration, ``$NAME`` and ``${NAME}`` are left for
    the job to expand, and a leading ``~/`` means its home; a command substitution never is.
    """
    if not expand_variables:
        return _escaped(text)
    if text.startswith("~/"):
        text = "$HOME" + text[1:]
    parts, end = [], 0
    for match in _VARIABLE.finditer(text):
        parts += [_escaped(text[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, _escaped(text[end:])])


def shell_path(path: str, *, expand_variables: bool = False) -> str:
    """A path as one word of a bash command."""
    if expand_variables and (path.startswith("~/") or "$" in path):
        return f'"{double_quoted(path, expand_variables=True)}"'
    return shlex.quote(path)


def escaped_word(text: str) -> str:
    """One word of bash that yields `text`, of which nothing is run inside quotes or a here-document either."""
    return _NOT_PLAIN.sub(r"\\\g<0>", text)


def literal_format(text: str) -> str:
    """Text that `str.format` turns back into itself: JupyterHub formats some of a spawner's values."""
    return text.replace("{", "{{").replace("}", "}}")
