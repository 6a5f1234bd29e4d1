"""Secrets that never show themselves, key rings that rotate, settings that explain themselves.

Only the standard library is imported; the adapters for Django, traitlets, minio, redis, pydantic and
logging live in submodules of those names and import their host when they are used.
"""

from pentad_config.errors import ConfigError, Problem, SecretMisuse
from pentad_config.keyring import KeyRing
from pentad_config.redaction import redact
from pentad_config.secret import Secret, reveal
from pentad_config.settings import Settings, setting
from pentad_config.testing import override
from pentad_config.together import Together

__all__ = [
    "ConfigError",
    "KeyRing",
    "Problem",
    "Secret",
    "SecretMisuse",
    "Settings",
    "Together",
    "override",
    "redact",
    "reveal",
    "setting",
]
