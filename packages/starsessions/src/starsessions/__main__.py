"""The command `starsessions`, also as `python -m starsessions`."""

from __future__ import annotations

import sys

from starsessions.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
