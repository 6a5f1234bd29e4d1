"""Django's own tests of file storages, with `MinioBackend` in the place of Django's storages.

They come from Django's source distribution and run unchanged. A storage's `location`, a folder, becomes a bucket of
its own, and where they look into that folder with `os`, they see the bucket. NOT_APPLICABLE says what is left out, why.
"""

import importlib
import os
import unittest
from datetime import timedelta

import django.core.files.storage
import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django_sources import django_tests

from django_minio_backend import MinioBackend

_LOCAL = "asks for the path, times or permissions of a local file, which objects do not have"
_WRITES = "writes through open(); objects are opened for reading, and save() writes them"
_FOLDERS = "makes or asks for folders; those of S3 are parts of names, and none exists by itself"
_PARAMETERS = "is about parameters, settings or links that Django's own storages alone have"

NOT_APPLICABLE = {
    "FileStorageTests.test_base_url": _PARAMETERS,
    "FileStorageTests.test_empty_location": _PARAMETERS,
    "FileStorageTests.test_file_url": _PARAMETERS,
    "FileStorageTests.test_setting_changed": _PARAMETERS,
    "FileStorageTests.test_file_access_options": _WRITES,
    "FileStorageTests.test_file_storage_preserves_filename_case": _WRITES,
    "FileFieldStorageTests.test_filefield_write": _WRITES,
    "FileStorageTests.test_file_get_accessed_time": _LOCAL,
    "FileStorageTests.test_file_get_accessed_time_timezone": _LOCAL,
    "FileStorageTests.test_file_get_created_time": _LOCAL,
    "FileStorageTests.test_file_get_created_time_timezone": _LOCAL,
    "FileStorageTests.test_file_get_modified_time": _LOCAL,
    "FileStorageTests.test_file_methods_pathlib_path": _LOCAL,
    "FileStorageTests.test_file_path": _LOCAL,
    "FileStorageTests.test_file_save_broken_symlink": _LOCAL,
    "FileStorageTests.test_remove_race_handling": _LOCAL,
    "FileFieldStorageTests.test_file_object": _LOCAL,
    "FileStorageTests.test_delete_deletes_directories": _FOLDERS,
    "FileStorageTests.test_file_save_with_path": _FOLDERS,
    "FileStorageTests.test_listdir": _FOLDERS,
    "FileStorageTests.test_makedirs_race_handling": _FOLDERS,
    "MemoryStorageIOTests.test_convert_str_to_bytes_and_back": _WRITES,
    "MemoryStorageIOTests.test_file_saving": _WRITES,
    "MemoryStorageIOTests.test_write_string": _WRITES,
    "MemoryStorageIOTests.test_delete": _FOLDERS,
    "MemoryStorageIOTests.test_exists": _FOLDERS,
    "MemoryStorageIOTests.test_file_node_cannot_have_children": _FOLDERS,
    "MemoryStorageIOTests.test_open_dir_as_file": _FOLDERS,
    "MemoryStorageIOTests.test_removing_temporary_file_after_save": _LOCAL,
    "MemoryStorageIOTests.test_url": _PARAMETERS,
    "MemoryStorageIOTests.test_url_with_none_filename": _PARAMETERS,
}

CLASSES_NOT_APPLICABLE = {
    "FileStoragePermissions": _LOCAL,
    "FileSystemStorageTests": _PARAMETERS,
    "InMemoryStorageTests": _PARAMETERS,
    "MemoryStorageTimesTests": _WRITES,
    "OverwritingStorageOSOpenFlagsTests": _PARAMETERS,
    "OverwritingStorageOSOpenFlagsWarningTests": _PARAMETERS,
}

CLASSES = {
    "tests": (
        "FileStorageTests",
        "CustomStorageTests",
        "OverwritingStorageTests",
        "DiscardingFalseContentStorageTests",
        "FileFieldStorageTests",
        "FieldCallableFileStorageTests",
        "StorageLazyObjectTests",
        "FileSaveRaceConditionTest",
        "FileStoragePathParsing",
        "ContentFileStorageTestCase",
        "FileLikeObjectTestCase",
        "StorageHandlerTests",
    ),
    "test_base": ("StorageValidateFileNameTests",),
    "test_generate_filename": (
        "StorageGenerateFilenameTests",
        "FileSystemStorageGenerateFilenameTests",
        "GenerateFilenameStorageTests",
    ),
    "test_inmemory_storage": ("MemoryStorageIOTests",),
}

NEWER_THAN_SOME_RELEASES = {"StorageLazyObjectTests"}


class _Buckets:
    """The bucket of each location that the storages of the running test were given."""

    def __init__(self):
        self.options, self.take, self.by_location = {}, None, {}

    def at(self, location):
        location = os.fspath(location)
        if location not in self.by_location:
            self.by_location[location] = self.take()
        return self.by_location[location]


BUCKETS = _Buckets()


class StorageInABucket(MinioBackend):
    """The backend with the parameters of Django's storages."""

    OS_OPEN_FLAGS = 0
    """A class that is not run cannot be defined without it."""

    def __init__(self, location="", base_url=None, allow_overwrite=False):
        self.location = location
        declared = {"MINIO_PRIVATE_BUCKETS": [self.bucket]}
        super().__init__("by-location", replace_existing=allow_overwrite, **declared, **BUCKETS.options)

    @property
    def bucket(self):
        return BUCKETS.at(self.location)

    @bucket.setter
    def bucket(self, name):
        """Nothing to do: the location decides."""


class _OsThatSeesBuckets:
    """`os`, except that a folder which is a storage's location shows what is in the location's bucket."""

    def __init__(self, real=os):
        self._real = real

    def __getattr__(self, name):
        return _OsThatSeesBuckets(os.path) if name == "path" else getattr(self._real, name)

    def exists(self, path):
        return os.path.exists(path) or any(storage.exists(name) for storage, name in _within(path) if name)

    def listdir(self, path):
        return [name for storage, below in _within(path) for names in storage.listdir(below) for name in names]


def _within(path):
    for location in filter(None, BUCKETS.by_location):
        if f"{path}/".startswith(f"{location}/"):
            yield StorageInABucket(location), path[len(location) + 1 :]


def _a_minute(**_):
    """How far two times may lie apart: Django allows a local disk 2 seconds, but S3's times are whole seconds."""
    return timedelta(minutes=1)


@pytest.fixture(scope="module")
def django_modules(django_db_setup, django_db_blocker, server_options, _bucket_supply):
    """The modules of Django's tests, imported with our storage under the names of Django's; their model has a table."""
    folder = django_tests("file_storage")
    BUCKETS.options, BUCKETS.take = server_options, _bucket_supply
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for name in ("FileSystemStorage", "InMemoryStorage"):
            patch.setattr(django.core.files.storage, name, StorageInABucket)
        installed = override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "file_storage"], MIDDLEWARE=[])
        installed.enable()
        modules = {name: importlib.import_module(f"file_storage.{name}") for name in CLASSES}
    modules["tests"].os, modules["tests"].timedelta = _OsThatSeesBuckets(), _a_minute
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        editor.create_model(modules["tests"].Storage)
    yield modules
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        editor.delete_model(modules["tests"].Storage)
    installed.disable()


@pytest.fixture
def run_one(s3_service):
    """A function that runs one of Django's tests with buckets of its own and returns the unittest result."""

    def run(test):
        result = unittest.TestResult()
        unittest.TestSuite([test]).run(result)
        for name in BUCKETS.by_location.values():
            s3_service.drop_bucket(name)
        BUCKETS.by_location.clear()
        return result

    return run


def _cases(module):
    """The test classes that a module defines itself."""
    found = vars(module).values()
    return [one for one in found if isinstance(one, type) and issubclass(one, unittest.TestCase)
            and one.__module__ == module.__name__]  # fmt: skip


def _applicable(case):
    names = unittest.defaultTestLoader.getTestCaseNames(case)
    return [case(name) for name in names if getattr(case, name).__qualname__ not in NOT_APPLICABLE]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in CLASSES.items() for name in names])
def test_djangos_tests_pass_on_the_backend(django_modules, run_one, s3_service, module, name):
    """Each applicable test of a class passes."""
    if name == "FileSaveRaceConditionTest" and not s3_service.checks_signatures:
        pytest.skip("moto looks for a name and takes it in two steps: it loses one of two saves at the same instant")
    if name in NEWER_THAN_SOME_RELEASES and not hasattr(django_modules[module], name):
        pytest.skip("this release of Django does not have these tests")
    tests = _applicable(getattr(django_modules[module], name))
    assert tests
    for test in tests:
        result = run_one(test)
        assert not [*result.errors, *result.failures], "\n".join(text for _, text in result.errors + result.failures)
        assert result.testsRun == 1 and not result.skipped


def test_no_test_of_django_is_left_out_without_a_reason(django_modules):
    """Every class is either run or named as not applicable, and every test that is named exists."""
    cases = [case for module in django_modules.values() for case in _cases(module)]
    run = {name for names in CLASSES.values() for name in names}
    assert {case.__name__ for case in cases} - run - set(CLASSES_NOT_APPLICABLE) == set()
    names = {getattr(case, name).__qualname__ for case in cases for name in dir(case) if name.startswith("test_")}
    assert set(NOT_APPLICABLE) - names == set()
