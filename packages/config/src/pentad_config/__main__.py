"""The command `pentad-config`, also as `python -m pentad_config`."""

from __future__ import annotations

import sys

from pentad_config.cli import main

if __name__ == "__main__":
    sys.exit(main())

__all__ = ["main"]
