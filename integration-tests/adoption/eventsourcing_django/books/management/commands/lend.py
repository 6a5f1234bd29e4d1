from django.apps import apps
from django.core.management import BaseCommand

from books.domain import Library


class Command(BaseCommand):
    help = "Lend a book to members, one after the other."

    def add_arguments(self, parser):
        parser.add_argument("title")
        parser.add_argument("members", nargs="+")

    def handle(self, *, title, members, **options):
        library = apps.get_app_config("books").runner.get(Library)
        for member in members:
            library.lend(title, member)
