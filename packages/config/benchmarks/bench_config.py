"""What settings and secrets cost: ratios measured side by side in one run, and exact module counts.

Loading 12 settings is put beside pydantic-settings and beside the same variables parsed by hand, without an error
message, a source or a secret. `--check` exits with 1 if a target is missed: a cached rotating read at most 3 times a
literal one, loading at most 200 microseconds, importing at most 25 modules. `--rounds N` measures longer.
"""

import os
import subprocess
import sys
import tempfile
import timeit
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from unittest import mock

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from pentad_config import KeyRing, Secret, Settings, redact, setting
from pentad_services.benchmark import OURS, Report, Table, options_of

PYDANTIC = "pydantic-settings"
HAND = "by hand"
COLUMNS = {OURS: "this package", PYDANTIC: f"pydantic-settings {version(PYDANTIC)}", HAND: "parsed by hand"}
READS = {
    "literal": "a literal secret",
    "cached": "a file within its time-to-live",
    "looking": "a file, looked at each time",
    "ring": "a ring's first key",
}


class Twelve(Settings, prefix="TWELVE_"):
    key: Secret = setting(doc="a secret")
    keys: KeyRing = setting(doc="a ring")
    endpoint: str = setting("localhost:9000", doc="text")
    region: str = setting("eu", doc="text")
    https: bool = setting(True, doc="yes or no")
    debug: bool = setting(False, doc="yes or no")
    port: int = setting(8000, doc="a number")
    parts: int = setting(4, doc="a number")
    ratio: float = setting(0.5, doc="a number")
    buckets: list[str] = setting(list, doc="names")
    mode: str = setting("fast", doc="one of two", choices=("fast", "safe"))
    maybe: int | None = setting(None, doc="a number or nothing")


ENVIRON = {
    "TWELVE_KEY": "s" * 32,
    "TWELVE_KEYS": "k" * 32,
    "TWELVE_ENDPOINT": "host:1",
    "TWELVE_REGION": "us",
    "TWELVE_HTTPS": "off",
    "TWELVE_DEBUG": "on",
    "TWELVE_PORT": "81",
    "TWELVE_PARTS": "8",
    "TWELVE_RATIO": "0.25",
    "TWELVE_BUCKETS": "a,b",
    "TWELVE_MODE": "safe",
    "TWELVE_MAYBE": "3",
}


class TwelveOfPydantic(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TWELVE_")
    key: SecretStr
    keys: SecretStr
    endpoint: str = "localhost:9000"
    region: str = "eu"
    https: bool = True
    debug: bool = False
    port: int = 8000
    parts: int = 4
    ratio: float = 0.5
    buckets: list[str] = []
    mode: Literal["fast", "safe"] = "fast"
    maybe: int | None = None


def by_hand():
    """Parse the same variables as a program without a settings library would."""
    return {
        "key": ENVIRON["TWELVE_KEY"],
        "keys": ENVIRON["TWELVE_KEYS"].split(),
        "endpoint": ENVIRON.get("TWELVE_ENDPOINT", "localhost:9000"),
        "region": ENVIRON.get("TWELVE_REGION", "eu"),
        "https": ENVIRON.get("TWELVE_HTTPS", "on").lower() in {"1", "true", "yes", "on"},
        "debug": ENVIRON.get("TWELVE_DEBUG", "off").lower() in {"1", "true", "yes", "on"},
        "port": int(ENVIRON.get("TWELVE_PORT", "8000")),
        "parts": int(ENVIRON.get("TWELVE_PARTS", "4")),
        "ratio": float(ENVIRON.get("TWELVE_RATIO", "0.5")),
        "buckets": [name.strip() for name in ENVIRON.get("TWELVE_BUCKETS", "").split(",")],
        "mode": ENVIRON.get("TWELVE_MODE", "fast"),
        "maybe": int(ENVIRON["TWELVE_MAYBE"]) if "TWELVE_MAYBE" in ENVIRON else None,
    }


def micros(functions, number, rounds):
    """Return the best time of each function in microseconds, measured in interleaved rounds."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            best[name] = min(best[name], timeit.timeit(function, number=number) / number * 1e6)
    return best


def measure_reads(folder, rounds):
    """Return what each kind of secret costs to read."""
    path = Path(folder) / "key"
    path.write_text("s" * 32)
    os.utime(path, (1, 1))
    literal = Secret("l" * 32)
    cached, looking = Secret.at(f"file:{path}", ttl=3600), Secret.at(f"file:{path}", ttl=0)
    ring = KeyRing([literal])
    cached.reveal(), looking.reveal()
    reads = (literal.reveal, cached.reveal, looking.reveal, lambda: ring.primary)
    return micros(dict(zip(READS, reads, strict=True)), 500, rounds)


def measure_loading(rounds):
    """Return what loading the twelve settings costs each."""
    with mock.patch.dict(os.environ, ENVIRON | {"TWELVE_BUCKETS": '["a", "b"]'}):
        loading = {OURS: lambda: Twelve.load(environ=ENVIRON), PYDANTIC: TwelveOfPydantic, HAND: by_hand}
        return micros(loading, 1, rounds)


def modules(name):
    """Return how many modules a fresh interpreter gains by the import."""
    script = f"import sys; n = len(sys.modules); import {name}; print(len(sys.modules) - n)"
    return int(subprocess.check_output([sys.executable, "-I", "-c", script]))


def main():
    """Measure, print and judge."""
    options = options_of(__doc__, rounds=501).parse_args()
    report = Report("config", (PYDANTIC,))
    with tempfile.TemporaryDirectory() as folder:
        reads = measure_reads(folder, options.rounds)
    load = measure_loading(options.rounds)
    line = "a line of a log with nothing in it but words " * 5
    redacting = micros({OURS: lambda: redact(line)}, 20, options.rounds)
    imported = {OURS: modules("pentad_config"), PYDANTIC: modules("pydantic_settings")}
    report.show(Table("µs a read", READS, "other/first", {"reveal": reads}))
    report.show(Table("µs a call", COLUMNS, "other/first", {"load 12 settings": load, "redact a line": redacting}))
    report.show(Table("modules", {OURS: COLUMNS[OURS], PYDANTIC: COLUMNS[PYDANTIC]}, None, {"import": imported}))
    report.require("cached read <= 3x", reached=reads["cached"] <= 3 * reads["literal"])
    report.require("load <= 200 us", reached=load[OURS] <= 200)
    report.require("<= 25 modules", reached=imported[OURS] <= 25)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
