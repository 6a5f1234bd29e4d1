"""Run management commands in processes of their own that do not have to import Django first.

A server with Django and syzygy imported, and nothing configured, forks one process for each command: it has its own
memory, pipes and process id, can be killed, and costs a fortieth of a fresh interpreter. `Project.start_interpreter`
starts one that imports everything in the order in which a project does.

Where coverage is measured, it is of the server's imports and of every fourth command: of each, it would take as long as
the commands.
"""

import gc
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import contextmanager, nullcontext
from importlib import import_module

PRELOADED = (
    "django.core.cache.backends.locmem",
    "django.core.cache.backends.memcached",
    "django.core.cache.backends.redis",
    "django.core.management.commands.check",
    "django.core.management.commands.makemigrations",
    "django.core.management.commands.migrate",
    "django.core.management.commands.shell",
    "django.core.management.commands.sqlmigrate",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.middleware.csrf",
    "django.views.csrf",
    "django.views.debug",
    "pymemcache",
    "redis",
    "syzygy.apps",
    "syzygy.checks",
    "syzygy.executor",
    "syzygy.management.commands.makemigrations",
    "syzygy.management.commands.migrate",
    "syzygy.management.commands.showmigrations",
    "syzygy.postgresql.online",
    "syzygy.postgresql.twins",
    "syzygy.postgresql.views",
    "syzygy.quorum.backends.cache",
    "syzygy.quorum.backends.postgres",
    "syzygy.quorum.rendezvous",
    "syzygy.reports",
    "syzygy.runner",
    "syzygy.unmigrated",
)
MEASURED = 4
"""Of so many commands, the coverage of one is measured."""


class Command:
    """A started command, with the part of `subprocess.Popen` that the tests use."""

    def __init__(self, address, arguments, cwd, env):
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        self.stdin, self.stdout = os.fdopen(to_stdin, "w"), os.fdopen(from_stdout)
        self.returncode = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(address)
        request = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": env}).encode()
        socket.send_fds(self._server, [len(request).to_bytes(4)], [stdin, stdout])
        self._server.sendall(request)
        os.close(stdin)
        os.close(stdout)
        self.pid = _number(self._server)

    def wait(self, timeout):
        """Return the exit status. Raises TimeoutExpired if the command still runs after `timeout` seconds."""
        if self.returncode is None:
            if not select.select([self._server], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(["django"], timeout)
            self.returncode = _number(self._server)
            self._server.close()
        return self.returncode

    def poll(self):
        """Return the exit status, or None while the command runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        """Kill it, as a machine that disappears would."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _number(connection):
    received = connection.recv(4, socket.MSG_WAITALL)
    if len(received) < 4:
        raise ConnectionError("The process that watches the command is gone.")
    return int.from_bytes(received, signed=True)


def serve(address):
    """Fork a process for each command that is asked for on the socket, until killed."""
    with measured():
        for name in PRELOADED:
            import_module(name)
    gc.freeze()  # what is there now is shared by all the processes, as long as none of them touches it
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"ready\n")
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that watch a command
        for number in itertools.count():
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _watch(connection, measured if number % MEASURED == 0 else nullcontext)
            connection.close()


@contextmanager
def measured():
    """Measure coverage as `coverage run` does in the process of the tests, if it does."""
    if "COVERAGE_FILE" not in os.environ:
        yield
        return
    import coverage

    measurement = coverage.Coverage(data_suffix=True, include=["*/syzygy/*"])
    measurement.set_option("run:disable_warnings", ["no-data-collected"])  # it would be in the command's output
    measurement.start()
    try:
        yield
    finally:
        measurement.stop()
        measurement.save()


def _watch(connection, measuring):
    """Run one command, and send its process id when it starts and its exit status when it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 4, 2)
    request = json.loads(connection.recv(int.from_bytes(size), socket.MSG_WAITALL))
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run(files, measuring, **request)
    for file in files:
        os.close(file)
    connection.sendall(pid.to_bytes(4, signed=True))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(status.to_bytes(4, signed=True))
    os._exit(0)


def _run(files, measuring, arguments, cwd, env):
    stdin, stdout = files
    for source, target in ((stdin, 0), (stdout, 1), (stdout, 2)):
        os.dup2(source, target)
    os.closerange(3, max(files) + 1)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    sys.dont_write_bytecode = True  # models change faster than the time stamp in a compiled file tells
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = [env["PYTHONPATH"]]
    with measuring():
        status = _status(["django", *arguments])
    os._exit(status)


def _status(argv):
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - an interpreter ends like this too
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
