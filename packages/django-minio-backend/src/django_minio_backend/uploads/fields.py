"""Form fields for files that go from the browser straight to the S3 server."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.signing import BadSignature
from django.utils.translation import gettext_lazy as _

from django_minio_backend.stored import DirectUpload
from django_minio_backend.uploads.limits import Limits
from django_minio_backend.uploads.middleware import PATH, current_request, owner_of, visitor_of
from django_minio_backend.uploads.receiving import Receiver
from django_minio_backend.uploads.tokens import ExpiredError, Permit, Token
from django_minio_backend.uploads.widgets import DirectUploadInput, MultipleDirectUploadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.files.base import File
    from django.forms.boundfield import BoundField

__all__ = ["DirectUploadField", "MultipleDirectUploadField"]

_GIB = 1024**3
_ERRORS = {
    "upload_unknown": _("An upload is not known here. Choose the file again."),
    "upload_expired": _("An upload is too old. Choose the file again."),
    "upload_foreign": _("An upload was made by somebody else, or before you logged in or out. Choose the file again."),
    "upload_misplaced": _("An upload was made for another field. Choose the file again."),
    "upload_missing": _("“%(name)s” has not arrived, or was used already. Choose the file again."),
    "upload_size": _("“%(name)s” has not arrived as a whole. Choose the file again."),
    "upload_twice": _("“%(name)s” was sent twice. Choose the file again."),
    "too_many": _("Choose at most %(limit)s files."),
}


class DirectUploadField(forms.FileField):
    """A `FileField` whose file the browser sends straight to the S3 server, within limits the server enforces.

    `storage` is the alias of the entry of STORAGES that receives it; its OPTIONS have MINIO_INCOMING_PREFIX.
    `max_size` is in bytes; `content_types`, such as `["image/*", "application/pdf"]`, are those that a file's name
    may stand for, any if it is empty; `lifetime` is how long a page allows uploads, and how long an upload can be
    used. Its value is a `DirectUpload`, which a model's `FileField` saves by a copy on the server; or, from a browser
    without JavaScript, one of Django's own uploads, held to the same limits.
    """

    widget = DirectUploadInput
    default_error_messages = {**_ERRORS}  # noqa: RUF012  as Django's fields have it

    def __init__(
        self,
        *,
        storage: str = "default",
        max_size: int = _GIB,
        content_types: Sequence[str] = (),
        lifetime: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        self.storage, self.lifetime = storage, lifetime
        self.limits = Limits(max_size, tuple(content_types), bool(kwargs.get("allow_empty_file")))
        self._place = ""
        super().__init__(**kwargs)
        if not isinstance(self.widget, type(self).widget):
            raise ImproperlyConfigured(
                f"{type(self).__name__} needs a {type(self).widget.__name__} as its widget, not "
                f"{type(self.widget).__name__}. In formfield_overrides of the admin, name both."
            )
        self.widget.permit = self._permit
        self.widget.max_size = max_size

    def __deepcopy__(self, memo: dict[int, Any]) -> DirectUploadField:
        copied: DirectUploadField = super().__deepcopy__(memo)
        copied.widget.permit = copied._permit  # of this form's own field, which knows its place
        return copied

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Let the browser offer only files of the accepted types."""
        attrs = super().widget_attrs(widget)
        if self.limits.content_types and "accept" not in widget.attrs:
            attrs["accept"] = ",".join(self.limits.content_types)
        return attrs

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> BoundField:
        """Take note of which form's field it is: what is uploaded for one is of no use for another."""
        self._place = _place_of(form, field_name)
        return super().get_bound_field(form, field_name)

    def to_python(self, data: Any) -> Any:
        """Return the file, or None. Raises ValidationError that says why it is refused."""
        files = self._files(data)
        if len(files) > 1:
            raise self._refusal("too_many", limit=1)
        return self._checked(files[0]) if files else None

    def _files(self, data: Any) -> list[Any]:
        """Return what was submitted: tokens, and files that came through Django."""
        if isinstance(data, list):  # Submitted, or what an input for several files gives
            return data
        return [] if data in self.empty_values else [data]

    def _checked(self, submitted: Any) -> File[Any]:
        file = self._arrived(submitted) if isinstance(submitted, str) else submitted
        super().to_python(file)  # refuses what is no file, or has too long a name
        checked: File[Any] = file
        self.limits.check(str(checked.name), checked.size)
        if isinstance(submitted, str):
            self.widget.accepted += (submitted,)
        return checked

    def _arrived(self, text: str) -> File[Any]:
        """Return the file that a token stands for, after one look at the server."""
        token = self._token(text)
        upload = Receiver(self.storage).find(token)
        if upload is None:
            raise self._refusal("upload_missing", name=token.name)
        if upload.size != token.size:
            raise self._refusal("upload_size", name=token.name)
        return upload

    def _token(self, text: str) -> Token:
        request = current_request()
        if request is None:
            raise ImproperlyConfigured(
                f"Whose upload it is cannot be known: add {PATH!r} to MIDDLEWARE, after those of sessions and "
                "authentication, or handle the form inside `with serving(request)` of the same module."
            )
        try:
            token = Token.of(text)
        except ExpiredError as error:
            raise self._refusal("upload_expired") from error
        except BadSignature as error:
            raise self._refusal("upload_unknown") from error
        if token.owner != owner_of(request):
            raise self._refusal("upload_foreign")
        if (token.field, token.storage) != (self._place, self.storage):
            raise self._refusal("upload_misplaced")
        return token

    def _permit(self) -> str:
        """Return what lets the visitor of the page under way upload; nothing outside of a request."""
        request = current_request()
        if request is None or self.disabled:
            return ""
        Receiver(self.storage)  # a mistake in the settings shows when the page is made
        lifetime = int(self.lifetime.total_seconds())
        return Permit(
            expires=int(time.time()) + lifetime, lifetime=lifetime, field=self._place, visitor=visitor_of(request),
            storage=self.storage, max_size=self.limits.max_size, content_types=list(self.limits.content_types),
            allow_empty=self.limits.allow_empty,
        ).sign()  # fmt: skip

    def _refusal(self, code: str, **params: Any) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params)


class MultipleDirectUploadField(DirectUploadField):
    """A `DirectUploadField` for at most `max_files` files; its value is a list of them."""

    widget = MultipleDirectUploadInput

    def __init__(self, *, max_files: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_files = max_files
        self.widget.max_files = max_files

    def to_python(self, data: Any) -> list[File[Any]]:  # type: ignore[override]  # several in place of one
        """Return the files. Raises ValidationError that says why one is refused."""
        submitted = self._files(data)
        if len(submitted) > self.max_files:
            raise self._refusal("too_many", limit=self.max_files)
        files = [self._checked(each) for each in submitted]
        places = [file.place for file in files if isinstance(file, DirectUpload)]
        for file in files:
            if isinstance(file, DirectUpload) and places.count(file.place) > 1:
                raise self._refusal("upload_twice", name=file.name)
        return files

    def run_validators(self, value: Any) -> None:
        """Validate each file."""
        for file in value:
            super().run_validators(file)


def _place_of(form: forms.BaseForm, field_name: str) -> str:
    """Return what tells the field from all others: the form's class, its model if it has one, and the name.

    The forms of the admin are made when they are needed, and may have one name for models of different apps.
    """
    model = getattr(getattr(form, "_meta", None), "model", None)
    label = f" {model._meta.label}" if model is not None else ""
    return f"{type(form).__module__}.{type(form).__qualname__}{label} {field_name}"
