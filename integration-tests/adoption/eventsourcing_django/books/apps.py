from django.apps import AppConfig
from eventsourcing.system import SingleThreadedRunner

from books.domain import make_system


class BooksConfig(AppConfig):
    name = "books"

    def ready(self):
        self.runner = SingleThreadedRunner(make_system(), env={"PERSISTENCE_MODULE": "eventsourcing_django"})
        self.runner.start()
