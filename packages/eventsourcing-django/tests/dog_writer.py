"""A program that registers one dog after the other until SIGTERM, and tries again what was an error.

Started with a file, into which it writes at the end which dogs it has registered and how often it tried again, as
JSON, and with the seconds to pause between two dogs. The dogs have the file's name and a number. It does nothing that
eventsourcing-django cannot do, so it runs on that as well.
"""

import json
import signal
import sys
import threading
from pathlib import Path

import django

_MOST_ERRORS_IN_A_ROW = 50


def main(file, pause):
    """Register dogs."""
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    django.setup()
    from school.applications import TrainingSchool

    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
    dogs, errors = [], 0
    while not is_over.wait(float(pause)):
        dogs.append(f"{file.name} {len(dogs)}")
        errors += _register(school, dogs[-1])
    file.write_text(json.dumps({"dogs": dogs, "errors": errors}))


def _register(school, dog):
    """Return after how many errors it has worked; after each look first whether it was saved nevertheless."""
    from eventsourcing.persistence import OperationalError
    from school.applications import Dog

    for errors in range(_MOST_ERRORS_IN_A_ROW):
        try:
            if not errors or Dog.create_id(dog) not in school.repository:
                school.register(dog)
        except OperationalError:
            continue
        return errors
    raise AssertionError(f"{_MOST_ERRORS_IN_A_ROW} errors one after the other")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
