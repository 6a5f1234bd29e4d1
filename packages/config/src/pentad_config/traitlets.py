"""traitlets: a trait that holds a `Secret`, for JupyterHub and its like."""

from __future__ import annotations

from typing import Any

from traitlets import TraitType

from pentad_config.secret import Secret

__all__ = ["SecretTrait"]


class SecretTrait(TraitType[Secret | None, Secret | str | bytes | None]):
    """A `Secret`, or text that `Secret.at` understands: `file:/path`, `env:VARIABLE`, or the value itself.

    Works in configuration files and on the command line; `--show-config` and error messages show a marker for
    values that were given as references. A plain text in a configuration file is shown by traitlets itself, as
    it never reaches the trait: give `file:` or `env:`.
    """

    default_value = None
    allow_none = True
    info_text = "a secret: file:/path, env:VARIABLE or the value itself"

    def validate(self, obj: Any, value: Any) -> Secret | None:  # noqa: ARG002
        """Return the value as a Secret."""
        if value is None or isinstance(value, Secret):
            return value
        if isinstance(value, str):
            return Secret.at(value, name=self.name or "secret")
        if isinstance(value, bytes):
            return Secret(value, name=self.name or "secret")
        # Not TraitType.error: it would put the value into the message.
        from traitlets import TraitError

        raise TraitError(f"{self.name} needs {self.info_text}, not {type(value).__name__}.")

    def from_string(self, s: str) -> Secret | None:
        """Return the secret that a command line names."""
        return Secret.at(s, name=self.name or "secret") if s else None
