"""The eventsourcing library on the Django ORM.

Set ``PERSISTENCE_MODULE`` to ``eventsourcing_django`` and an application of the eventsourcing library stores its
events in the Django project's database.
"""

from typing import Any, Self

from eventsourcing_django.library import InfrastructureFactory as _InfrastructureFactory
from eventsourcing_django.library import OperationalError as _OperationalError

__all__ = ["Factory"]


class Factory(_InfrastructureFactory):
    """Stands in for `eventsourcing_django.factory.Factory` until Django is set up.

    The real factory needs Django's models, which cannot be imported before ``django.setup()``; the app's ``ready()``
    puts it in this name's place.

    Raises:
        eventsourcing.persistence.OperationalError: always, saying what has to happen first.
    """

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Refuse."""
        raise _OperationalError(
            "Django is not ready: call django.setup() with 'eventsourcing_django' in INSTALLED_APPS before"
            " constructing an application whose PERSISTENCE_MODULE is 'eventsourcing_django'"
        )
