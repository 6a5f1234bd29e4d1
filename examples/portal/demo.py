#!/usr/bin/env python
"""Start the portal on this machine: `python examples/portal/demo.py [--check] [--data DIR]`."""

import sys

from portal.launcher.cli import main

if __name__ == "__main__":
    sys.exit(main())
