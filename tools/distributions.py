"""The distributions of this repository: which there are, how they are built, and whether a wheel stands alone."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class Refused(Exception):
    """Something is not fit to be released; the text says what, and what to do."""


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed. Raises Refused with that if it fails, unless `check` is off."""
    done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if check and done.returncode:
        raise Refused(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout.rstrip()}")
    return done


def matrix(root: Path) -> dict[str, Any]:
    """What matrix.toml says."""
    return tomllib.loads((root / "matrix.toml").read_text())


@dataclass(frozen=True)
class Package:
    """One of the packages of a tree."""

    root: Path
    name: str
    """Its folder below packages/."""
    import_name: str

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.root / "packages" / self.name

    @property
    def distribution(self) -> str:
        """The name that is installed."""
        return str(self._project["name"])

    @property
    def version(self) -> str:
        """The version in its pyproject.toml."""
        return str(self._project["version"])

    @property
    def dependencies(self) -> set[str]:
        """The names of what it needs."""
        return {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in self._project["dependencies"]}

    @property
    def _project(self) -> dict[str, Any]:
        table: dict[str, Any] = tomllib.loads((self.path / "pyproject.toml").read_text())["project"]
        return table

    def tag(self) -> str:
        """The tag of a release of this version."""
        return f"{self.distribution}-v{self.version}"

    def last_tag(self) -> str | None:
        """The tag of its newest release, or None."""
        pattern = f"{self.distribution}-v*"
        listed = run("git", "tag", "--list", "--sort=-v:refname", pattern, cwd=self.root)
        return next(iter(listed.stdout.split()), None)


def packages(root: Path = ROOT) -> dict[str, Package]:
    """All packages of a tree by folder."""
    return {name: Package(root, name, entry["import"]) for name, entry in matrix(root)["packages"].items()}


def build(chosen: list[Package], out: Path) -> dict[str, str]:
    """Build wheels and sdists into a folder; return the SHA-256 of each file."""
    for package in chosen:
        run("uv", "build", "--quiet", package.path, "--out-dir", out, cwd=package.root)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(out.glob("pentad_*"))}


def build_twice(chosen: list[Package], out: Path) -> dict[str, str]:
    """Build into a folder, and elsewhere again. Raises Refused if a file differs."""
    first = build(chosen, out)
    with tempfile.TemporaryDirectory() as folder:
        second = build(chosen, Path(folder))
    if differing := sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name)):
        raise Refused(f"two builds of the same tree differ in {', '.join(differing)}")
    return first


def pythons_found(root: Path = ROOT) -> list[str]:
    """The supported versions of Python that this machine has, oldest first."""
    supported: list[str] = matrix(root)["pythons"]
    find = ("uv", "python", "find", "--quiet", "--no-python-downloads")
    return [version for version in supported if run(*find, version, cwd=root, check=False).returncode == 0]


def try_alone(package: Package, dist: Path, python: str) -> None:
    """Import a wheel in an empty environment with nothing but what it declares. Raises Refused."""
    # Both files are named: a resolver left to choose by name could take a stranger's distribution.
    names = {package.distribution.replace("-", "_"), "pentad_config"}
    wheels = sorted(str(file) for name in names for file in dist.glob(f"{name}-*.whl"))
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "bin/python"
        run("uv", "venv", "--quiet", "--no-python-downloads", "--python", python, folder, cwd=package.root)
        run("uv", "pip", "install", "--quiet", "--python", inside, *wheels, cwd=package.root)
        run("uv", "pip", "check", "--python", inside, cwd=package.root)
        run(inside, "-I", "-c", f"import {package.import_name}", cwd=Path(folder))


def breaking_changes(package: Package, since: str) -> str:
    """What of the public API is no longer as at that tag, a line each; empty if all is."""
    # Relative, so that the old code is looked for in the old tree.
    where = ("--search", f"packages/{package.name}/src", "--against", since)
    done = run("griffe", "check", package.import_name, *where, cwd=package.root, check=False)
    if done.returncode not in {0, 1}:
        raise Refused(f"griffe ended with {done.returncode}:\n{done.stdout}")
    return done.stdout.strip() if done.returncode else ""


def show_wheels() -> None:
    """Build all twice, and try each wheel alone on this Python."""
    with tempfile.TemporaryDirectory() as folder:
        found = packages()
        for name, digest in build_twice(list(found.values()), Path(folder)).items():
            print(digest[:16], name)
        for package in found.values():
            try_alone(package, Path(folder), sys.executable)


def show_api() -> None:
    """Print how each public API differs from its last release."""
    for package in packages().values():
        last = package.last_tag()
        found = breaking_changes(package, last) if last else "no release yet, nothing to compare"
        print(f"{package.name}: {found or f'nothing is broken since {last}'}")


def build_tagged(tag: str, out: Path) -> None:
    """Build the one package that a tag releases. Raises Refused if the tag is not of a version in this tree."""
    tagged = [package for package in packages().values() if package.tag() == tag]
    if not tagged:
        known = ", ".join(package.tag() for package in packages().values())
        raise Refused(f"{tag!r} is no tag of a version in this tree, which has {known}")
    for name, digest in build_twice(tagged, out).items():
        print(digest, name)


def main() -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("wheels", help=show_wheels.__doc__)
    commands.add_parser("api", help=show_api.__doc__)
    tagged = commands.add_parser("tagged", help="build the one package that a tag releases")
    tagged.add_argument("tag")
    tagged.add_argument("out", type=Path)
    options = parser.parse_args()
    try:
        if options.command == "tagged":
            build_tagged(options.tag, options.out)
        else:
            {"wheels": show_wheels, "api": show_api}[options.command]()
    except Refused as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
