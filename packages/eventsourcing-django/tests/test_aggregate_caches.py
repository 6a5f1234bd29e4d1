"""Cached aggregates beside transactions of the project."""

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from eventsourcing.application import Cache, LRUCache
from school.applications import Dog, TrainingSchool


@pytest.fixture(params=["y", "n"], ids=["fast-forwarded", "not fast-forwarded"])
def school(request, alias):
    """An application that caches one dog, which has a trick."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing_django",
        "DJANGO_DB_ALIAS": alias,
        "AGGREGATE_CACHE_MAXSIZE": "10",
        "AGGREGATE_CACHE_FASTFORWARD": request.param,
    }
    school = TrainingSchool(env=env)
    school.register("Fido")
    school.add_trick("Fido", "sit")
    return school


def versions(school):
    return [event.originator_version for event in school.events.get(Dog.create_id("Fido"))]


def cached(school):
    return school.repository.cache.get(Dog.create_id("Fido"))


def test_a_rolled_back_version_is_not_kept(school, alias):
    """The next save goes on from what is stored, without a gap."""
    with transaction.atomic(using=alias):
        school.add_trick("Fido", "bite")
        assert school.get_tricks("Fido") == ["sit", "bite"]
        transaction.set_rollback(True, using=alias)
    assert school.get_tricks("Fido") == ["sit"]
    school.add_trick("Fido", "roll over")
    assert versions(school) == [1, 2, 3]
    assert school.get_tricks("Fido") == ["sit", "roll over"]


def test_a_version_of_a_rolled_back_savepoint_is_not_kept(school, alias):
    """What the transaction has saved around it is."""
    with transaction.atomic(using=alias):
        school.add_trick("Fido", "roll over")
        with transaction.atomic(using=alias):
            school.add_trick("Fido", "bite")
            transaction.set_rollback(True, using=alias)
        assert school.get_tricks("Fido") == ["sit", "roll over"]
    assert school.get_tricks("Fido") == ["sit", "roll over"]
    school.add_trick("Fido", "fetch")
    assert versions(school) == [1, 2, 3, 4]


def test_an_aggregate_that_is_changed_after_its_save_is_not_kept_so(school, alias):
    """The same object is saved, changed, saved in a savepoint, and only that is rolled back."""
    with transaction.atomic(using=alias):
        dog = school.repository.get(Dog.create_id("Fido"))
        dog.add_trick("roll over")
        school.save(dog)
        with transaction.atomic(using=alias):
            dog.add_trick("bite")
            school.save(dog)
            transaction.set_rollback(True, using=alias)
    assert school.get_tricks("Fido") == ["sit", "roll over"]


def test_a_committed_version_is_kept(school, alias):
    """The next read rebuilds nothing."""
    with transaction.atomic(using=alias):
        school.add_trick("Fido", "roll over")
        school.get_tricks("Fido")
    assert cached(school).version == 3
    with CaptureQueriesContext(connections[alias]) as statements:
        assert school.get_tricks("Fido") == ["sit", "roll over"]
    assert len(statements) == school.repository.fastforward


def test_a_newer_version_is_not_replaced_by_an_older_one(school, alias):
    """Two transactions read, and the one that has read less commits last."""
    older = cached(school)
    with transaction.atomic(using=alias):
        school.repository.cache.put(older.id, older)
        school.add_trick("Fido", "roll over")
        school.get_tricks("Fido")
        school.repository.cache.put(older.id, older)
    assert cached(school).version == 3


@pytest.mark.parametrize(("size", "kind"), [("0", Cache), ("1", LRUCache)])
def test_the_size_is_the_librarys(alias, size, kind):
    """Zero is no limit, and another number is one."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias, "AGGREGATE_CACHE_MAXSIZE": size}
    cache = TrainingSchool(env=env).repository.cache
    assert isinstance(cache, kind)
    cache.put("a", "A")
    cache.put("b", "B")
    assert len(cache.cache) == (2 if size == "0" else 1)


def test_events_elsewhere_are_cached_by_the_library():
    """An application that is not in Django's databases has no transaction to look at."""
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing.popo", "AGGREGATE_CACHE_MAXSIZE": "0"})
    assert type(school.repository.cache) is Cache
