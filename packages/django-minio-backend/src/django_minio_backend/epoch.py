"""When what was looked up before must be looked up again: in a forked child, and when a test changes settings."""

from __future__ import annotations

from django.core.signals import setting_changed

__all__ = ["current", "renew"]

_epoch = object()


def current() -> object:
    """Return an object that stays the same while settings and connections may be remembered."""
    return _epoch


def renew() -> None:
    """Make every storage forget what it remembered."""
    global _epoch  # noqa: PLW0603
    _epoch = object()


def _on_setting_changed(*, setting: str, **_: object) -> None:
    if setting == "STORAGES" or setting.startswith("MINIO_"):
        renew()


setting_changed.connect(_on_setting_changed)
