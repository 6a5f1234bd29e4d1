"""Django migrations that know about deployments."""

from .constants import Stage
from .exceptions import AmbiguousPlan, AmbiguousStage

__all__ = ("AmbiguousPlan", "AmbiguousStage", "Stage")

default_app_config = "syzygy.apps.SyzygyConfig"
