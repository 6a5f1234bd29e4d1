#!/usr/bin/env python
"""Django's commands for the catalogue; needs the PORTAL_ variables, see README.md."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.catalogue.settings")
    execute_from_command_line(sys.argv)
