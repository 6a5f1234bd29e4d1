"""What text from outside may look like, field by field.

Each function returns the value or raises `ValueError` with a sentence for the person who typed it.
"""

import re
import unicodedata

_MEMORY = re.compile(r"(\d+)([KMGT]?)", re.ASCII)
_RESERVATIONS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*(?:,[A-Za-z0-9_][A-Za-z0-9_.:@+-]*)*")
_ACCOUNTING_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*")
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+=/-]*")
_GPU_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_MEGABYTES = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024 * 1024}


def printable(text: str) -> str:
    """Refuse control characters and line separators: a line break would begin a new line of the job script."""
    for character in text:
        if unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}:
            raise ValueError(f"contains the control character U+{ord(character):04X}; remove it")
    return text


def memory(text: str) -> str:
    """An amount of memory for ``--mem``: digits and an optional K, M, G or T (no suffix means megabytes)."""
    if not text:
        return ""
    match = _MEMORY.fullmatch(text.upper())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of memory: write a number and K, M, G or T, as in 8G")
    number, suffix = match.groups()
    return f"{int(number)}{suffix}" if int(number) else "0"


def memory_megabytes(text: str) -> float:
    """The megabytes that an amount accepted by `memory` asks for."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an amount of memory")
    return int(match[1]) * _MEGABYTES[match[2]]


def reservation(text: str) -> str:
    """A reservation's name, or several separated by commas."""
    if text and not _RESERVATIONS.fullmatch(text):
        raise ValueError(f"{text!r} is not a reservation name: letters, digits and _ . : @ + - are allowed")
    return text


def gpu_type(text: str) -> str:
    """A kind of GPU by Slurm's name for it, as ``A100`` or ``a100_1g.5gb``."""
    if text and not _GPU_TYPE.fullmatch(text):
        raise ValueError(f"{text!r} is not a kind of GPU: letters, digits and _ . + - are allowed")
    return text


def account(text: str) -> str:
    """An account of Slurm's accounting."""
    return _accounting_name(text, "an account")


def qos(text: str) -> str:
    """A quality of service of Slurm's accounting."""
    return _accounting_name(text, "a QOS")


def _accounting_name(text: str, what: str) -> str:
    if text and not _ACCOUNTING_NAME.fullmatch(text):
        raise ValueError(f"{text!r} cannot be the name of {what}: letters, digits and _ . : @ + - are allowed")
    return text


def module_names(text: str) -> str:
    """Names of environment modules separated by spaces."""
    for name in text.split():
        if not _MODULE.fullmatch(name):
            raise ValueError(f"{name!r} is not a module name: letters, digits and _ . : @ + = / - are allowed")
    return " ".join(text.split())


def environment_path(text: str) -> str:
    """The absolute path of an environment's bin folder or of a container image."""
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path: begin with /")
    if ":" in text:
        raise ValueError(f"{text!r} contains a colon, which would add a second folder to PATH; use one folder")
    return text


def default_url(text: str) -> str:
    """A page of the user's own server: a path with one leading slash."""
    if text and (not text.startswith("/") or text.startswith(("//", "/\\"))):
        raise ValueError(f"{text!r} is not a page of your server: begin with one /, as in /lab")
    return text
