"""The archive's papers: with which storages, the settings say."""

from importlib import import_module

from django.conf import settings

Paper = import_module(settings.PAPERS_MODELS).Paper
