"""From the domain alone to the whole project."""

from uuid import uuid4

from django.apps import apps
from django.core.management import call_command
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from eventsourcing.persistence import IntegrityError, Tracking

from lending.domain import BookIsLentError, Lending
from lending.management.commands.run_shelf import make_runner
from lending.models import MOST_BOOKS, Member, ShelvedBook
from lending.projections import Shelf, ShelfProjection


class DomainTests(SimpleTestCase):
    """The domain needs neither Django nor a database: without an environment, events stay in memory."""

    def test_a_book_is_lent_to_one_member_at_a_time(self):
        lending = Lending()
        book_id = lending.add("Emma")
        lending.lend(book_id, member=1)
        with self.assertRaises(BookIsLentError):
            lending.lend(book_id, member=2)
        lending.give_back(book_id)
        lending.lend(book_id, member=2)
        self.assertEqual(lending.repository.get(book_id).lent_to, 2)


class ViewTests(TestCase):
    """Each test is rolled back, and the events with it."""

    def setUp(self):
        self.lending = apps.get_app_config("lending").lending
        self.ada = Member.objects.create(name="Ada")

    def lend(self, book_id):
        return self.client.post(f"/books/{book_id}/lend/", {"member": "Ada"})

    def test_a_book_is_lent(self):
        book_id = self.lending.add("Emma")
        self.assertEqual(self.lend(book_id).json(), {"lent_to": "Ada"})
        self.assertEqual(self.lending.repository.get(book_id).lent_to, self.ada.pk)
        self.assertEqual(self.client.get(f"/books/{book_id}/").json()["version"], 2)
        self.assertIsNone(self.client.get(f"/books/{book_id}/?version=1").json()["lent_to"])
        for version in ("0", "one", "9" * 19, "9" * 5000):
            self.assertEqual(self.client.get(f"/books/{book_id}/?version={version}").status_code, 400)

    def test_a_member_with_too_many_books_gets_none_and_the_book_stays(self):
        Member.objects.update(books=MOST_BOOKS)
        book_id = self.lending.add("Emma")
        self.assertEqual(self.lend(book_id).status_code, 400)
        self.assertIsNone(self.lending.repository.get(book_id).lent_to)

    def test_a_book_that_somebody_has_changes_no_member(self):
        book_id = self.lending.add("Emma")
        self.lend(book_id)
        self.assertEqual(self.lend(book_id).status_code, 409)
        self.ada.refresh_from_db()
        self.assertEqual(self.ada.books, 1)

    def test_what_does_not_exist_is_not_found(self):
        self.assertEqual(self.lend(uuid4()).status_code, 404)
        self.assertEqual(self.client.get(f"/books/{uuid4()}/").status_code, 404)


class ProjectionTests(TestCase):
    """A projection is called with an event and a position; no thread is needed."""

    def test_an_event_that_comes_again_changes_nothing(self):
        lending = apps.get_app_config("lending").lending
        projection = ShelfProjection(Shelf("ShelfProjection"))
        book_id = lending.add("Emma")
        (added,) = lending.events.get(book_id)
        projection.process_event(added, Tracking("Lending", 1))
        ShelvedBook.objects.update(title="changed by hand")
        with self.assertRaises(IntegrityError):
            projection.process_event(added, Tracking("Lending", 1))
        self.assertEqual(ShelvedBook.objects.get().title, "changed by hand")


class WholeProjectTests(TransactionTestCase):
    """Followers see what is committed, so these tests commit."""

    def test_followers_and_projections_catch_up(self):
        config = apps.get_app_config("lending")
        member = Member.objects.create(name="Ada")
        book_id = config.lending.add("Emma")
        config.lending.lend(book_id, member.pk)

        call_command("sync_followers", verbosity=0)
        self.assertEqual(config.popularity.times_lent(book_id), 1)

        with make_runner() as runner:
            runner.wait(config.lending.recorder.max_notification_id(), timeout=120)
        self.assertEqual(
            self.client.get("/books/").json()["books"],
            [{"book_id": str(book_id), "title": "Emma", "lent_to__name": "Ada"}],
        )
