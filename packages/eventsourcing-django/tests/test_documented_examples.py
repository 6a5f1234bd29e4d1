"""The documentation of eventsourcing-django 0.5.1: every snippet, as written, in a project of its own.

Only what the snippets leave to the reader is filled in: the project's name, the ellipses, and a system's classes.
"""

import os
import subprocess
import sys
from textwrap import dedent

import pytest
from waiting import PATIENCE

APPLICATION = """
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from uuid import uuid5, NAMESPACE_URL


class TrainingSchool(Application):
    def register(self, name):
        dog = Dog(name)
        self.save(dog)

    def add_trick(self, name, trick):
        dog = self.repository.get(Dog.create_id(name))
        dog.add_trick(trick)
        self.save(dog)

    def get_tricks(self, name):
        dog = self.repository.get(Dog.create_id(name))
        return dog.tricks


class Dog(Aggregate):
    @event('Registered')
    def __init__(self, name):
        self.name = name
        self.tricks = []

    @staticmethod
    def create_id(name):
        return uuid5(NAMESPACE_URL, f'/dogs/{name}')

    @event('TrickAdded')
    def add_trick(self, trick):
        self.tricks.append(trick)
"""

USE = """
training_school.register('Fido')

training_school.add_trick('Fido', 'roll over')
training_school.add_trick('Fido', 'play dead')

tricks = training_school.get_tricks('Fido')
assert tricks == ['roll over', 'play dead']
"""

SETTINGS = """
# Create secret cipher key.
import os
from eventsourcing.cipher import AESCipher
os.environ['CIPHER_KEY'] = AESCipher.create_key(32)

# In your settings.py file.
import os

EVENT_SOURCING_APPLICATION = {
    'PERSISTENCE_MODULE': 'eventsourcing_django',
    'DJANGO_DB_ALIAS': 'postgres',
    'IS_SNAPSHOTTING_ENABLED': 'y',
    'COMPRESSOR_TOPIC': 'eventsourcing.compressor:ZlibCompressor',
    'CIPHER_TOPIC': 'eventsourcing.cipher:AESCipher',
    'CIPHER_KEY': os.environ['CIPHER_KEY'],
}
"""

APP_CONFIG = """
# In your apps.py file.
from django.apps import AppConfig

class TrainingSchoolConfig(AppConfig):
    name = '<django-project-name>.training_school'

    def ready(self):
        self.training_school = TrainingSchool(
            env={'PERSISTENCE_MODULE': 'eventsourcing_django'}
        )

"""

CENTRAL_APP_CONFIG = """
# In your apps.py file.
from django.apps import AppConfig
from django.conf import settings

class TrainingSchoolConfig(AppConfig):
    name = '<django-project-name>.training_school'

    def ready(self):
        self.training_school = TrainingSchool(env=settings.EVENT_SOURCING_APPLICATION)
"""

RUNNER_APP_CONFIG = """
import eventsourcing.system
from django.apps import AppConfig


class MyEventSourcedAppConfig(AppConfig):
   name = 'my_event_sourced_app'
   runner: eventsourcing.system.Runner

   def ready(self) -> None:
       self.runner = eventsourcing.system.SingleThreadedRunner(
           eventsourcing.system.System(...)
       )
"""

RUNNER_FUNCTION = """
import eventsourcing.system


def get_runner() -> eventsourcing.system.Runner:
   return ...
"""

SYSTEM = (
    APPLICATION
    + """
from eventsourcing.system import ProcessApplication, SingleThreadedRunner, System

class Follower(ProcessApplication):
    def policy(self, domain_event, processing_event):
        pass

class OtherFollower(Follower):
    pass

PIPES = [[TrainingSchool, Follower], [TrainingSchool, OtherFollower]]
"""
)

# Development mode is for the tests' own process: it slows an interpreter that starts, and nobody reads its warnings.
NOT_PASSED_ON = {"SCHOOL_DATABASE_URL", "PYTHONDEVMODE"}


class Project:
    """A Django project in a folder, with a default database and one called `postgres`."""

    def __init__(self, folder, postgres):
        self.folder = folder
        (folder / "djangoproject").mkdir()
        self.write("djangoproject/__init__.py", "")
        self.write(
            "djangoproject/settings.py",
            f"""
            from settings import from_url
            SECRET_KEY = "a key for tests only"
            USE_TZ = True
            INSTALLED_APPS = [
                "eventsourcing_django",
            ]
            DATABASES = {{
                "default": from_url("sqlite://{folder}/db.sqlite3"),
                "postgres": from_url("{postgres}"),
            }}
            """,
        )

    def write(self, path, text, *, more=False):
        file = self.folder / path
        file.parent.mkdir(exist_ok=True)
        with file.open("a" if more else "w") as opened:
            opened.write(dedent(text))

    def install(self, app):
        self.write("djangoproject/settings.py", f"\nINSTALLED_APPS += ['{app}']\n", more=True)

    def run(self, *code):
        return self._run([sys.executable, "-c", "\n".join(["import django; django.setup()", *code])])

    def manage(self, *arguments, check=True):
        return self._run([sys.executable, "-m", "django", *arguments], check=check)

    def _run(self, command, *, check=True):
        tests = os.path.dirname(__file__)
        environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON} | {
            "DJANGO_SETTINGS_MODULE": "djangoproject.settings",
            "PYTHONPATH": os.pathsep.join([str(self.folder), tests]),
        }
        done = subprocess.run(
            command, env=environment, cwd=self.folder, check=False, capture_output=True, text=True, timeout=PATIENCE
        )
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture
def project(tmp_path, postgres_database):
    return Project(tmp_path, postgres_database)


def test_migrating_and_using_an_application(project):
    """Both ways to migrate, with and without an alias, then an application in each database."""
    project.run(
        "from django.core.management import call_command\n\ncall_command('migrate')",
        "call_command('migrate', database='postgres')",
        APPLICATION,
        """
training_school = TrainingSchool(
    env={'PERSISTENCE_MODULE': 'eventsourcing_django'},
)
""",
        USE,
        """
training_school = TrainingSchool(
    env={
        'PERSISTENCE_MODULE': 'eventsourcing_django',
        'DJANGO_DB_ALIAS': 'postgres',
    }
)
""",
        USE,
    )


def test_migrating_by_the_command_line(project):
    """`manage.py migrate`, with and without an alias."""
    project.manage("migrate")
    project.manage("migrate", "--database=postgres")


@pytest.mark.parametrize("app_config", [APP_CONFIG, CENTRAL_APP_CONFIG])
def test_an_application_in_an_app_config(project, app_config):
    """Made in `ready()`, before the tables are, and found through the app registry."""
    project.write("djangoproject/settings.py", SETTINGS, more=True)
    project.write("djangoproject/training_school/__init__.py", "")
    text = APPLICATION + app_config.replace("<django-project-name>", "djangoproject")
    project.write("djangoproject/training_school/apps.py", text)
    project.install("djangoproject.training_school.apps.TrainingSchoolConfig")
    project.run(
        "from django.core.management import call_command\n\ncall_command('migrate', verbosity=0)",
        "call_command('migrate', database='postgres', verbosity=0)",
        "from django.apps import apps\n\ntraining_school = apps.get_app_config('training_school').training_school\n",
        USE,
    )


@pytest.fixture
def my_app(project, monkeypatch):
    """The documented app with a runner, whose events go to Django because the process's environment says so."""
    monkeypatch.setenv("PERSISTENCE_MODULE", "eventsourcing_django")
    project.write("my_event_sourced_app/__init__.py", "")
    project.write("my_event_sourced_app/applications.py", SYSTEM)
    text = "from my_event_sourced_app.applications import PIPES\n" + RUNNER_APP_CONFIG.replace("...", "PIPES")
    project.write("my_event_sourced_app/apps.py", text)
    project.install("my_event_sourced_app")
    project.run(
        "from django.core.management import call_command\n\ncall_command('migrate', verbosity=0)",
        "from my_event_sourced_app.applications import TrainingSchool",
        "TrainingSchool().register('Fido')",
    )
    return project


def test_synchronising_followers(my_app):
    """All followers, or one of them; the runner of the only app that has one."""
    output = my_app.manage("sync_followers").stdout
    assert "[1/2] Synchronizing Follower... OK" in output
    assert "[2/2] Synchronizing OtherFollower... OK" in output
    output = my_app.manage("sync_followers", "OtherFollower", "-v", "2", "-n").stdout
    assert "[1/1] Synchronizing OtherFollower... " in output


def test_a_runner_named_by_the_app(my_app):
    """`EVENTSOURCING_RUNNER` is an app's attribute."""
    my_app.write("djangoproject/settings.py", "\nEVENTSOURCING_RUNNER = 'my_event_sourced_app.runner'\n", more=True)
    assert "OK" in my_app.manage("sync_followers").stdout


def test_a_runner_made_by_a_function(my_app):
    """`EVENTSOURCING_RUNNER` is a function."""
    text = "from my_event_sourced_app.applications import PIPES\n" + RUNNER_FUNCTION.replace(
        "...", "eventsourcing.system.SingleThreadedRunner(eventsourcing.system.System(PIPES))"
    )
    my_app.write("djangoproject/runner_utils.py", text)
    setting = "\nEVENTSOURCING_RUNNER = 'djangoproject.runner_utils.get_runner'\n"
    my_app.write("djangoproject/settings.py", setting, more=True)
    assert "OK" in my_app.manage("sync_followers").stdout


def test_every_runner_class_of_the_library_is_compatible(my_app):
    """Those with threads and those without, given by a function."""
    done = my_app.run(
        """
import eventsourcing.system
from django.conf import settings
from django.core.management import call_command
from my_event_sourced_app.applications import PIPES, TrainingSchool

settings.EVENTSOURCING_RUNNER = '__main__.get_runner'
names = [name for name in dir(eventsourcing.system) if name.endswith('ThreadedRunner')]
for number, name in enumerate(names):
    TrainingSchool().register(f'Dog {number}')
    runner = getattr(eventsourcing.system, name)(eventsourcing.system.System(PIPES))

    def get_runner():
        return runner

    call_command('sync_followers', 'Follower')
    if runner.is_started:
        runner.stop()
print(*names)
"""
    )
    assert done.stdout.count("Synchronizing Follower... OK") == 4
    names = "MultiThreadedRunner NewMultiThreadedRunner NewSingleThreadedRunner SingleThreadedRunner"
    assert done.stdout.endswith(f"{names}\n")


def test_the_usage_is_as_documented(project):
    """Names of followers, a dry run and how much is said."""
    usage = " ".join(project.manage("sync_followers", "--help").stdout.split())
    assert all(option in usage for option in ("[-n]", "--dry-run", "-v {0,1,2,3}", "[follower ...]"))


def test_using_an_application_before_migrating(project):
    """The documented OperationalError."""
    done = project.run(
        APPLICATION,
        "from eventsourcing.persistence import OperationalError",
        "for alias in ('default', 'postgres'):",
        "    env = {'PERSISTENCE_MODULE': 'eventsourcing_django', 'DJANGO_DB_ALIAS': alias}",
        "    try:",
        "        TrainingSchool(env=env).register('Fido')",
        "    except OperationalError:",
        "        print(alias)",
    )
    assert done.stdout.split() == ["default", "postgres"]
