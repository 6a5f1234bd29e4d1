"""What settings and secrets cost: ratios measured side by side in one run, and exact module counts.

The gates: a cached rotating read at most 3 times a literal one, loading 12 settings at most 200 microseconds,
importing at most 25 modules. Exits 1 if one is missed. Loading is also put beside the same 12 variables parsed by
hand, without an error message, a source or a secret: that ratio tells more than the time where a machine is busy.
"""

import os
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

from pentad_config import KeyRing, Secret, Settings, redact, setting

ROUNDS = 9


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


def micros(functions, number):
    """Return the median time of each function in microseconds, measured in interleaved rounds."""
    rounds = [[timeit.timeit(function, number=number) / number * 1e6 for function in functions] for _ in range(ROUNDS)]
    return [sorted(column)[ROUNDS // 2] for column in zip(*rounds, strict=True)]


def modules():
    """Return how many modules a fresh interpreter gains by the import."""
    script = "import sys; n = len(sys.modules); import pentad_config; print(len(sys.modules) - n)"
    return int(subprocess.check_output([sys.executable, "-I", "-c", script]))


def main():
    """Measure, print and judge."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        path.write_text("s" * 32)
        os.utime(path, (1, 1))
        literal = Secret("l" * 32)
        cached = Secret.at(f"file:{path}", ttl=3600)
        looking = Secret.at(f"file:{path}", ttl=0)
        ring = KeyRing([literal])
        cached.reveal(), looking.reveal()
        line = "a line of a log with nothing in it but words " * 5
        reads = micros([literal.reveal, cached.reveal, looking.reveal, lambda: ring.primary], 20_000)
        load, hand = micros([lambda: Twelve.load(environ=ENVIRON), by_hand], 200)
        (redacted,) = micros([lambda: redact(line)], 1_000)
    imported = modules()
    print(f"read: literal {reads[0]:.2f} us = 1, file within its time-to-live {reads[1] / reads[0]:.2f}x, "
          f"file with a look at each read {reads[2] / reads[0]:.1f}x, ring {reads[3] / reads[0]:.1f}x")  # fmt: skip
    print(f"load 12 settings: {load:.0f} us, {load / hand:.0f}x the same parsed by hand ({hand:.1f} us)")
    print(f"redact a line: {redacted:.1f} us; modules imported: {imported}")
    gates = {
        "cached read <= 3x": reads[1] <= 3 * reads[0],
        "load <= 200 us": load <= 200,
        "<= 25 modules": imported <= 25,
    }
    for gate, held in gates.items():
        print(f"{'ok    ' if held else 'MISSED'} {gate}")
    return 0 if all(gates.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
