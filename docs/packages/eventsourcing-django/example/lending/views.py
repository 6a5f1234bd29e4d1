"""Plain views: what changes goes through the application, lists are read from models."""

from uuid import UUID

from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import IntegrityError

from lending.domain import BookIsLentError, Lending
from lending.models import Member, ShelvedBook


def lending() -> Lending:
    return apps.get_app_config("lending").lending


@require_GET
def books(request: HttpRequest) -> JsonResponse:
    """A list is read from the projection's model, with joins and all the ORM has."""
    shelf = ShelvedBook.objects.order_by("title").values("book_id", "title", "lent_to__name")
    return JsonResponse({"books": list(shelf)})


class VersionForm(forms.Form):
    """Text from outside becomes a number that a column of versions holds, or an error."""

    version = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


@require_GET
def book(request: HttpRequest, book_id: UUID) -> JsonResponse:
    """One book is read from its events; `?version=1` is how it was after its first one."""
    asked = VersionForm(request.GET)
    if not asked.is_valid():
        return JsonResponse({"error": asked.errors}, status=400)
    try:
        found = lending().repository.get(book_id, version=asked.cleaned_data["version"])
    except AggregateNotFoundError:
        return JsonResponse({"error": "no such book or version"}, status=404)
    return JsonResponse({"title": found.title, "lent_to": found.lent_to, "version": found.version})


@require_POST
def lend(request: HttpRequest, book_id: UUID) -> JsonResponse:
    """A member's row and a book's event change together, or neither does."""
    try:
        with transaction.atomic():
            member = get_object_or_404(Member.objects.select_for_update(), name=request.POST.get("member"))
            member.books += 1
            member.save()
            lending().lend(book_id, member.pk)
            member.full_clean()
    except AggregateNotFoundError:
        return JsonResponse({"error": "no such book"}, status=404)
    except BookIsLentError:
        return JsonResponse({"error": "somebody has the book"}, status=409)
    except IntegrityError:
        return JsonResponse({"error": "somebody else was quicker, look again"}, status=409)
    except ValidationError as error:
        return JsonResponse({"error": error.message_dict}, status=400)
    return JsonResponse({"lent_to": member.name})
