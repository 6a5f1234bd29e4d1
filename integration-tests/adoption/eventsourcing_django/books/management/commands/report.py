import json

from django.apps import apps
from django.core.management import BaseCommand

from books.domain import Library, Statistics


class Command(BaseCommand):
    help = "Print who had a book, how often books were lent, and how many events and snapshots there are."

    def add_arguments(self, parser):
        parser.add_argument("title")

    def handle(self, *, title, **options):
        from eventsourcing_django.models import SnapshotRecord, StoredEventRecord

        runner = apps.get_app_config("books").runner
        library = runner.get(Library)
        figures = {
            "members": library.members(title),
            "lent": runner.get(Statistics).lent(),
            "events": StoredEventRecord.objects.filter(application_name=library.name).count(),
            "snapshots": SnapshotRecord.objects.count(),
        }
        self.stdout.write(json.dumps(figures))
