"""Many saves at once, and processes that fork after the storage was used."""

import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.base import ContentFile


@pytest.fixture
def racing(make_storage, s3_service):
    """A storage for racing saves. Moto, which alone checks no signatures, looks for a name and takes it in two steps,
    between which another of its threads may take it: its conditions promise nothing, and names are claimed there."""
    return make_storage(MINIO_CONDITIONAL_WRITES=None if s3_service.checks_signatures else False)


def save_one(storage, content):
    name = storage.save("race.txt", ContentFile(content))
    return name, content


def test_threads_saving_one_name_get_a_name_each(racing):
    """Eight threads, forty saves of one name: forty objects, each with its own content."""
    contents = [f"content {number}".encode() for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        saved = dict(pool.map(lambda content: save_one(racing, content), contents))
    assert len(saved) == 40
    assert all(racing.open(name).read() == content for name, content in saved.items())


def test_processes_saving_one_name_get_a_name_each(racing):
    """Eight forked processes race for one name: as many objects as saves, each with its own content.

    PENTAD_RACING_SAVES sets how many saves there are in all; 80 by default.
    """
    turns = int(os.environ.get("PENTAD_RACING_SAVES", "80")) // 8
    racing.save("warm-up", ContentFile(b"the parent's connection is in use"))

    def work(number, results):
        results.put([save_one(racing, f"{number}-{turn}".encode()) for turn in range(turns)])

    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    children = [fork.Process(target=work, args=(number, results)) for number in range(8)]
    for child in children:
        child.start()
    saved = [pair for _ in children for pair in results.get(timeout=600)]
    for child in children:
        child.join()
    assert sorted(racing.listdir("")[1]) == sorted(["warm-up", *(name for name, _ in saved)])
    assert len(saved) == turns * 8
    assert all(racing.open(name).read() == content for name, content in saved)


def test_forked_children_never_get_each_others_bytes(storage):
    """Children forked after use open connections of their own; an open file goes on in each of them."""
    contents = {storage.save(f"f{number}", ContentFile(os.urandom(200_000))): number for number in range(5)}
    expected = {name: storage.open(name).read() for name in contents}
    shared = storage.open("f0")
    head = shared.read(1000)

    def check(name, results):
        whole = all(storage.open(name).read() == expected[name] for _ in range(5))
        results.put(whole and head + shared.read() == expected["f0"])

    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    children = [fork.Process(target=check, args=(name, results)) for name in expected]
    for child in children:
        child.start()
    assert [results.get(timeout=600) for _ in children] == [True] * 5
    for child in children:
        child.join()
    assert head + shared.read() == expected["f0"]
    shared.close()


def test_a_given_http_client_is_safe_across_fork(make_storage):
    """A PoolManager from the settings is not shared with a child's connections either."""
    import urllib3

    pool = urllib3.PoolManager()
    storage = make_storage(http_client=pool)
    storage.save("one", ContentFile(b"1"))
    before = pool.pools
    child = os.fork()
    if child == 0:
        os._exit(0 if pool.pools is not before and storage.open("one").read() == b"1" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.pools is before


def test_a_used_storage_travels_to_a_spawned_process(configure, settings):
    """A storage configured by STORAGES can be pickled after use, and works where it arrives."""
    from django_minio_backend import MinioBackend

    configure()
    storage = MinioBackend()
    storage.save("p", ContentFile(b"x"))
    arrived = pickle.loads(pickle.dumps(storage))
    assert arrived == storage and arrived.open("p").read() == b"x"
