"""Inputs that send what is chosen to the S3 server; without JavaScript they are Django's own file inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.forms.widgets import FILE_INPUT_CONTRADICTION
from django.urls import reverse
from django.utils.translation import gettext as _

from django_minio_backend.uploads.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.core.files.base import File
    from django.utils.datastructures import MultiValueDict

__all__ = ["DirectUploadInput", "MultipleDirectUploadInput", "Submitted"]

_ACTIONS = ("start", "parts", "complete", "abort")
_PARALLEL = 4


class Submitted(list["str | File[Any]"]):
    """What came with a form: tokens of uploads as text, and files that came through Django."""


class _Shown(NamedTuple):
    """An upload that a form shows again because something else in it was refused."""

    token: str
    name: str
    size: int

    @classmethod
    def of(cls, text: str) -> _Shown:
        token = Token.of(text)
        return cls(text, token.name, token.size)


class DirectUploadInput(forms.ClearableFileInput):
    """The widget of a `DirectUploadField`.

    `parallel` is how many parts of a file are sent at a time. The form's media belong onto the page.
    """

    template_name = "django_minio_backend/direct_upload.html"
    max_files = 1
    max_size = 0
    permit: Callable[[], str] | None = None
    """Set by the field."""
    accepted: tuple[str, ...] = ()
    """The tokens that the field has accepted: they are shown again if something else in the form was refused."""

    def __init__(self, attrs: dict[str, Any] | None = None, *, parallel: int = _PARALLEL) -> None:
        super().__init__(attrs)
        self.parallel = parallel

    @property
    def media(self) -> forms.Media:
        """The script and the style; neither is inline."""
        folder = "django_minio_backend"
        return forms.Media(js=[f"{folder}/direct-upload.js"], css={"all": [f"{folder}/direct-upload.css"]})

    def tokens_name(self, name: str) -> str:
        """Return the name of the hidden inputs that hold the tokens."""
        return f"{name}-upload"

    def value_from_datadict(self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str) -> Any:
        """Return the tokens and files that were submitted; without tokens, what Django's own input returns."""
        place = self.tokens_name(name)
        submitted = data.getlist(place) if hasattr(data, "getlist") else _as_list(data.get(place))
        tokens = [token for token in submitted if token]
        value = super().value_from_datadict(data, files, name)
        if not tokens or value is FILE_INPUT_CONTRADICTION:
            return value
        cleared = value is False
        return FILE_INPUT_CONTRADICTION if cleared else Submitted([*tokens, *_as_list(value)])

    def value_omitted_from_data(self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str) -> bool:
        """Whether neither a file, nor a token, nor the wish to clear was submitted."""
        return super().value_omitted_from_data(data, files, name) and self.tokens_name(name) not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return what the template shows: uploads that still can be used, and what the script needs to know."""
        context = super().get_context(name, value, attrs)
        context["uploads"] = shown = [_Shown.of(token) for token in self.accepted]
        context["tokens_name"] = self.tokens_name(name)
        required = bool(context["widget"]["attrs"].get("required"))
        permit = self.permit() if self.permit else ""
        context["direct"] = json.dumps(self._for_script(permit, required=required)) if permit else ""
        if shown:
            context["widget"]["attrs"].pop("required", None)
        return context

    def _for_script(self, permit: str, *, required: bool) -> dict[str, Any]:
        addresses = {action: reverse(f"django_minio_backend_uploads:{action}") for action in _ACTIONS}
        return {
            "permit": permit,
            "required": required,
            "addresses": addresses,
            "max_size": self.max_size,
            "max_files": self.max_files,
            "parallel": self.parallel,
            "texts": _texts(),
        }


class MultipleDirectUploadInput(DirectUploadInput):
    """The widget of a `MultipleDirectUploadField`."""

    allow_multiple_selected = True


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    return [value] if value else []


def _texts() -> dict[str, str]:
    """Return what the script says; what stands in braces it fills in."""
    return {
        "started": _("Uploading {name}."),
        "progress": _("{name}: {percent} percent uploaded."),
        "done": _("{name} is uploaded."),
        "failed": _("{name} was not uploaded. {reason}"),
        "refused_here": _("Not uploaded. {reason}"),
        "removed": _("{name} was removed."),
        "offline": _("The connection was lost. The upload goes on by itself when it is back."),
        "unreachable": _("The file server cannot be reached."),
        "refused": _("The file server refused it (status {status})."),
        "too_large": _("It is larger than {limit}."),
        "too_many": _("At most {limit} files can be uploaded."),
        "waiting": _("The form is sent as soon as all files are uploaded."),
        "unfinished": _("The form was not sent: a file is not uploaded. Try again, or remove it."),
        "sending": _("{done} of {size}"),
        "ready": _("Uploaded, {size}"),
        "progress_of": _("Upload of {name}"),
        "cancel": _("Cancel the upload of {name}"),
        "remove": _("Remove {name}"),
        "retry": _("Try to upload {name} again"),
    }
