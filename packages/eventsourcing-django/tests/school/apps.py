import os

from django.apps import AppConfig


class SchoolConfig(AppConfig):
    """Holds the system's runner, as the README shows it, for commands that run in a process of their own."""

    name = "school"

    def ready(self):
        if os.environ.get("SCHOOL_DATABASE_URL"):
            from eventsourcing.system import SingleThreadedRunner

            from school.applications import make_system

            self.runner = SingleThreadedRunner(make_system(), env={"PERSISTENCE_MODULE": "eventsourcing_django"})
