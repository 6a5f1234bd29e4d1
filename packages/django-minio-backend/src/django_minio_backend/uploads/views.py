"""What the widget asks for on a file's way: where to send it, links for its parts, the end. No body passes here."""

from __future__ import annotations

import json
import logging
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.signing import BadSignature
from django.http import JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from minio.error import S3Error

from django_minio_backend.content_types import content_type_of
from django_minio_backend.errors import ServerUnreachable
from django_minio_backend.uploads.limits import Limits, clean_name
from django_minio_backend.uploads.middleware import owner_of, visitor_of
from django_minio_backend.uploads.receiving import IncompleteError, Receiver
from django_minio_backend.uploads.tokens import ExpiredError, Permit, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

__all__ = ["abort", "complete", "parts", "start"]

_log = logging.getLogger(__name__)
_MOST_LINKS = 100


class _RefusalError(Exception):
    """An answer that says what is wrong."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


def _endpoint(view: Callable[[HttpRequest, dict[str, Any]], dict[str, Any]]) -> Callable[..., JsonResponse]:
    """Let a function answer a POST of JSON with JSON; what goes wrong is `error`, for people."""

    @wraps(view)
    def answer(request: HttpRequest) -> JsonResponse:
        try:
            return JsonResponse(view(request, _body_of(request)))
        except _RefusalError as refusal:
            return JsonResponse({"error": refusal.message}, status=refusal.status)
        except ValidationError as error:
            return JsonResponse({"error": " ".join(error.messages)}, status=400)
        except IncompleteError as error:
            return JsonResponse({"error": str(error), "missing": error.missing}, status=409)
        except (S3Error, ServerUnreachable):
            _log.exception("An upload from a browser could not go on.")
            return JsonResponse({"error": _("The file server does not answer as it should.")}, status=502)

    return never_cache(require_POST(csrf_protect(answer)))


@_endpoint
def start(request: HttpRequest, asked: dict[str, Any]) -> dict[str, Any]:
    """Begin an upload by a page's permit: return its token, and a form or how to cut the file."""
    permit = _permit(request, asked.get("permit"))
    name, size = clean_name(_text(asked, "name")), _size(asked)
    Limits(permit.max_size, permit.content_types, permit.allow_empty).check(name, size)
    receiver, kind = Receiver(permit.storage), content_type_of(name)
    owner = owner_of(request, begin_session=True)
    place = receiver.prepare(size, kind)
    token = Token(
        expires=int(time.time()) + permit.lifetime, field=permit.field, owner=owner, storage=permit.storage,
        key=place.key, name=name, size=size, content_type=kind, upload_id=place.upload_id, part_size=place.part_size,
    )  # fmt: skip
    if token.upload_id:
        return {"token": token.sign(), "name": name, "part_size": token.part_size}
    url, fields = receiver.form(token)
    return {"token": token.sign(), "name": name, "url": url, "fields": fields}


@_endpoint
def parts(request: HttpRequest, asked: dict[str, Any]) -> dict[str, Any]:
    """Return links for parts of an upload, by their numbers."""
    token = _token(request, asked, in_parts=True)
    numbers = asked.get("numbers")
    last = -(-token.size // token.part_size)
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= _MOST_LINKS:
        raise _RefusalError(f"numbers: a list of 1 to {_MOST_LINKS} is needed.")
    if not all(type(number) is int and 1 <= number <= last for number in numbers):
        raise _RefusalError(f"numbers: the parts have the numbers 1 to {last}.")
    return {"urls": Receiver(token.storage).links(token, numbers)}


@_endpoint
def complete(request: HttpRequest, asked: dict[str, Any]) -> dict[str, Any]:
    """Put the parts together. Status 409 and `missing`, if some have not arrived."""
    token = _token(request, asked, in_parts=True)
    Receiver(token.storage).complete(token)
    return {}


@_endpoint
def abort(request: HttpRequest, asked: dict[str, Any]) -> dict[str, Any]:
    """Remove what has arrived of an upload."""
    token = _token(request, asked)
    Receiver(token.storage).abort(token)
    return {}


def _body_of(request: HttpRequest) -> dict[str, Any]:
    try:
        asked = json.loads(request.body)
    except ValueError as error:
        raise _RefusalError("JSON is needed.") from error
    if not isinstance(asked, dict):
        raise _RefusalError("A JSON object is needed.")
    return asked


def _text(asked: dict[str, Any], key: str) -> str:
    value = asked.get(key)
    if not isinstance(value, str):
        raise _RefusalError(f"{key}: text is needed.")
    return value


def _size(asked: dict[str, Any]) -> int:
    value = asked.get("size")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _RefusalError("size: a number of bytes is needed.")
    return value


def _permit(request: HttpRequest, text: object) -> Permit:
    try:
        permit = Permit.of(text)
    except ExpiredError as error:
        raise _RefusalError(_("This page is too old. Reload it and choose the file again."), 403) from error
    except BadSignature as error:
        raise _RefusalError(_("This page does not allow uploads. Reload it and choose the file again."), 403) from error
    if permit.visitor != visitor_of(request):
        raise _RefusalError(_("You are logged in as somebody else than when this page was loaded. Reload it."), 403)
    return permit


def _token(request: HttpRequest, asked: dict[str, Any], *, in_parts: bool = False) -> Token:
    try:
        token = Token.of(asked.get("token"))
    except ExpiredError as error:
        raise _RefusalError(_("This upload is too old. Choose the file again."), 403) from error
    except BadSignature as error:
        raise _RefusalError(_("This upload is not known. Choose the file again."), 403) from error
    if token.owner != owner_of(request):
        raise _RefusalError(_("This upload belongs to somebody else."), 403)
    if in_parts and not token.upload_id:
        raise _RefusalError(_("This upload is not one in parts."))
    return token
