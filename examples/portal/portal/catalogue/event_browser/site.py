"""The pages of the event browser, and who sees them."""

from functools import wraps
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from portal.catalogue.datasets.pages import View, signed_in
from portal.catalogue.event_browser.user import APP, RECORDS

_PAGES: Final = ("changelist", "change", "timeline", "time")
# Without a name: addresses that lack a final slash, or the page of a row.
_SHOWN: Final = {None, "index", "app_list", *(f"{APP}_{record}_{page}" for record in RECORDS for page in _PAGES)}


class EventBrowser(AdminSite):
    """Django's admin without what it has for accounts, changes and their log: those pages are not there.

    Who a visitor is, is the front door's word, as on all pages of the catalogue.
    """

    site_title = "Tern Point Data"
    site_header = "Events"
    index_title = "What has been recorded"
    enable_nav_sidebar = False  # it needs a script

    def admin_view(self, view: View, cacheable: bool = False) -> View:  # type: ignore[override]
        """Every page: strangers sign in first, members who are no curators are refused, and nothing is sent."""
        return signed_in(self._for_curators(require_safe(super().admin_view(view, cacheable))))

    def _for_curators(self, view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                raise PermissionDenied("Only a curator can look into the events.")
            if request.resolver_match is None or request.resolver_match.url_name not in _SHOWN:
                raise Http404("no page of the event browser")
            return view(request, *args, **kwargs)

        return guarded

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Not here: nobody is asked for a second password."""
        raise Http404("signing in is the front door's")

    def get_log_entries(self, request: HttpRequest) -> "QuerySet[LogEntry]":
        """None: nothing is changed here, and the log has no table."""
        return LogEntry.objects.none()
