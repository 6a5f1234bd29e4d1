"""The profiles of the notebook hub: choices that fill in its form together. The notebooks page offers them, too."""

from typing import Any, Final

PROFILES: Final[dict[str, dict[str, Any]]] = {
    "First look": {
        "description": "one processor for an hour",
        "partition": "cpu",
        "nprocs": 1,
        "runtime": "1:00:00",
        "environment_id": "portal",
    },
    "Model training": {
        "description": "a graphics card, eight processors and 32 GB for eight hours",
        "partition": "gpu",
        "ngpus": 1,
        "nprocs": 8,
        "memory": "32G",
        "runtime": "8:00:00",
        "environment_id": "portal",
    },
}
