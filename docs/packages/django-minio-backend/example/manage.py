"""Runs Django's commands for the example project."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cinema.settings")
execute_from_command_line(sys.argv)
