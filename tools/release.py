"""Releases one package: bumps its version, writes its change log, builds, checks, commits and tags.

All of it happens in a scratch work tree of the commit that is checked out. Only when everything has passed does the
branch move, so that a release that is refused, and a dry run, leave nothing behind. Nothing is pushed or uploaded: that
a tag is pushed is what publishes the package.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributions import (
    ROOT,
    Package,
    Refused,
    breaking_changes,
    build,
    build_twice,
    packages,
    pythons_found,
    run,
    try_alone,
)

PARTS = ("major", "minor", "patch")


def main() -> int:
    """Release, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", choices=sorted(packages()), metavar="PACKAGE", help="a folder below packages/")
    parser.add_argument("part", choices=PARTS, help="the part of its version to bump, if it has been released before")
    parser.add_argument("--dry-run", action="store_true", help="do everything, and leave commit and tag away")
    options = parser.parse_args()
    try:
        release(ROOT, options.package, options.part, dry_run=options.dry_run)
    except Refused as problem:
        print(f"not released: {problem}", file=sys.stderr)
        return 1
    return 0


def release(root: Path, name: str, part: str, *, dry_run: bool) -> None:
    """Release a package of the tree at `root`. Raises Refused."""
    refuse_changes(root)
    with scratch_tree(root, "HEAD") as scratch:
        package = packages(scratch)[name]
        refuse_without_fragments(package)
        refuse_before_dependency(package, dry_run=dry_run)
        refuse_broken(package, part)
        bump(package, part)
        if run("git", "tag", "--list", package.tag(), cwd=scratch).stdout:
            raise Refused(f"there is a tag {package.tag()} already")
        write_change_log(package)
        check_builds(package)
        if dry_run:
            print(f"dry run: everything passed, {package.tag()} has not been made")
            return
        run("git", "commit", "--all", "--message", f"Release {package.distribution} {package.version}", cwd=scratch)
        commit = run("git", "rev-parse", "HEAD", cwd=scratch).stdout.strip()
        run("git", "merge", "--quiet", "--ff-only", commit, cwd=root)
        run("git", "tag", "--annotate", package.tag(), "--message", package.tag(), commit, cwd=root)
        # GitHub starts no workflow for a push of more than three tags, so each is pushed by its name.
        print(f"released {package.tag()}; `git push origin HEAD {package.tag()}` publishes it")


def refuse_changes(root: Path) -> None:
    """A release is made of a commit."""
    if changed := run("git", "status", "--porcelain", cwd=root).stdout.rstrip():
        raise Refused(f"the work tree has changes; commit or stash them first:\n{changed}")


def refuse_without_fragments(package: Package) -> None:
    """A release without news for its users is a mistake."""
    if not any(package.path.glob("changes/*.md")):
        raise Refused(f"packages/{package.name}/changes holds no fragment: there is nothing to release")


def refuse_before_dependency(package: Package, *, dry_run: bool) -> None:
    """Nobody could install a package whose pentad-config is not on the index yet."""
    config = packages(package.root)["config"]
    if config.distribution in package.dependencies and config.last_tag() is None and not dry_run:
        raise Refused(f"{package.distribution} needs {config.distribution}: release that first")


def refuse_broken(package: Package, part: str) -> None:
    """A break of the public API asks for a major version, or below 1.0 for a minor one."""
    last = package.last_tag()
    if last is None:
        print("public API: first release, nothing to compare")
        return
    broken = breaking_changes(package, last)
    young = package.version.startswith("0.")
    if broken and part != "major" and not (young and part == "minor"):
        raise Refused(f"a {part} release must not break what {last} has:\n{broken}")
    print(f"public API since {last}: {broken or 'nothing is broken'}")


def bump(package: Package, part: str) -> None:
    """Bump the version. The first release has the one that stands in pyproject.toml: nobody has that yet."""
    if package.last_tag() is not None:
        run("uv", "version", "--package", package.distribution, "--bump", part, "--frozen", cwd=package.root)
    elif "\n## " in (package.path / "CHANGELOG.md").read_text():
        raise Refused("the change log has releases whose tags this clone does not have: `git fetch --tags` brings them")
    else:
        print(f"first release: {package.version}, as in pyproject.toml")


def write_change_log(package: Package) -> None:
    """Make a section of the fragments, which go, and print it."""
    config = ("--config", package.root / "pyproject.toml", "--dir", package.path)
    draft = run("towncrier", "build", *config, "--version", package.version, "--draft", cwd=package.root)
    print(draft.stdout[draft.stdout.index("## ") :].rstrip())
    run("towncrier", "build", *config, "--version", package.version, "--yes", cwd=package.root)


def check_builds(package: Package) -> None:
    """Build twice, and import the wheel alone on the oldest and the newest Python of this machine."""
    with tempfile.TemporaryDirectory() as dist:
        for name, digest in build_twice([package], Path(dist)).items():
            print(f"built twice alike: {name} sha256:{digest}")
        build_released_config(package, Path(dist))
        found = pythons_found(package.root)
        if not found:
            raise Refused("none of the Pythons that matrix.toml names is on this machine")
        for python in sorted({found[0], found[-1]}, key=found.index):
            try_alone(package, Path(dist), python)
            print(f"imported alone on Python {python}")


def build_released_config(package: Package, dist: Path) -> None:
    """Build the pentad-config that users of the package will get: the last release, or this tree's before the first."""
    last = packages(package.root)["config"].last_tag()
    if package.name == "config":
        return
    with scratch_tree(package.root, last or "HEAD") as tree:
        config = packages(tree)["config"]
        build([config], dist)
        print(f"tried with {config.distribution} {config.version}")


@contextmanager
def scratch_tree(root: Path, commit: str) -> Iterator[Path]:
    """A work tree of its own with a commit of the repository at `root`."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "tree"
        run("git", "worktree", "add", "--quiet", "--detach", scratch, commit, cwd=root)
        try:
            yield scratch
        finally:
            run("git", "worktree", "remove", "--force", scratch, cwd=root)


if __name__ == "__main__":
    sys.exit(main())
