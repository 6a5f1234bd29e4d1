"""Applications in asynchronous views: through `sync_to_async`, as Django's ORM."""

import asyncio

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from databases import on_database
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from school.applications import TrainingSchool


@pytest.fixture
def school():
    return TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "file"})


@on_database("file")
def test_an_application_is_called_in_a_thread(school):
    """Transactions with the project's models are made in one call."""

    def register_and_fail():
        with transaction.atomic(using="file"):
            school.register("Rex")
            raise ZeroDivisionError

    async def view():
        async with ThreadSensitiveContext():  # as a request has it: its thread ends with it
            await sync_to_async(school.register)("Fido")
            await sync_to_async(school.add_trick)("Fido", "sit")
            with pytest.raises(ZeroDivisionError):
                await sync_to_async(register_and_fail)()
            return await sync_to_async(school.get_tricks)("Fido")

    assert asyncio.run(view()) == ["sit"]
    assert school.recorder.max_notification_id() == 2


@on_database("file")
def test_a_direct_call_is_djangos_error(school):
    """It says what to do, and nothing is stored."""

    async def view():
        school.register("Fido")

    with pytest.raises(SynchronousOnlyOperation, match="sync_to_async"):
        asyncio.run(view())
    assert school.recorder.max_notification_id() is None
