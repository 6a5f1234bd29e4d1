# /// script
# requires-python = ">=3.11"
# dependencies = ["nox[uv]>=2026.4"]
# ///
"""Everything a contributor runs: `nox -l` lists it, `nox` alone does what should pass before a push."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent
MATRIX = tomllib.loads((ROOT / "matrix.toml").read_text())
PACKAGES: list[str] = list(MATRIX["packages"])
TOOLS = ["services", "mock_slurm"]
PINS = ROOT / "requirements"
PYTHONS: list[str] = MATRIX["pythons"]

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
# `-j 3` runs sessions side by side; each has an environment, servers and ports of its own.
nox.options.allow_parallel = True
# Hundreds of processes are started: compiling every module anew in each of them would cost most of the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Whatever the sessions start ends with nox, also when nox itself is killed.
os.environ["PENTAD_END_WITH_PARENT"] = "1"
nox.options.sessions = ["lint", "types", "tests", "integration", "docs", "wheels"]
# A missing interpreter is a skip, not a download that may fail; say --download-python auto to have them fetched.
nox.options.download_python = "never"
# nox and uv see only the interpreters that pyenv has switched on; these lines show them all that are installed.
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
_INSTALLED = sorted(_PYENV.glob("3.1*/bin")) if os.access(_PYENV, os.R_OK | os.X_OK) else []
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, _INSTALLED)])


def _members(packages: list[str]) -> list[str]:
    return [*(f"packages/{name}" for name in packages), *(f"integration-tests/{name}" for name in TOOLS)]


def _install(session: nox.Session, pins: str, packages: list[str]) -> None:
    """Install the exact versions of requirements/PINS.txt and the named packages of this tree."""
    members = _members(list(dict.fromkeys(["config", *packages])))
    editable = [part for folder in members for part in ("-e", folder)]
    session.install("--no-deps", "-r", str(PINS / f"{pins}.txt"), *editable)
    session.run("uv", "pip", "check", external=True, silent=True)


def _test_package(session: nox.Session, package: str, pins: str, *, measured: bool) -> None:
    _install(session, pins, [package])
    arguments = [argument for argument in session.posargs if argument != "--cov"]
    command = ["-m", "pytest", *arguments]
    environment = {"PYTHONDEVMODE": "1"}
    if measured:
        session.install("--no-deps", "-r", str(PINS / "coverage.txt"))
        command = ["-m", "coverage", "run", f"--source={MATRIX['packages'][package]['import']}", *command]
        environment |= {"COVERAGE_FILE": str(ROOT / ".coverage"), "COVERAGE_RCFILE": str(ROOT / "pyproject.toml")}
    with session.chdir(f"packages/{package}"):
        session.run("python", *command, env=environment)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Start the portal on all five packages; `-- --check` plays a visit over HTTP and exits."""
    _install(session, "portal", PACKAGES)
    try:
        session.run(
            "python", "examples/portal/demo.py", *session.posargs, interrupt_timeout=30.0, terminate_timeout=15.0
        )
    except KeyboardInterrupt:
        session.log("The portal has been stopped.")


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """Run a package's unit and contract tests on this Python with real services; `-- --cov` measures coverage."""
    _test_package(session, package, package, measured="--cov" in session.posargs or bool(os.environ.get("CI")))


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Report the branch coverage that `nox -s tests -- --cov` measured; fails below the floor in pyproject.toml."""
    session.install("--no-deps", "-r", str(PINS / "coverage.txt"))
    session.run("coverage", "combine", "--quiet", "--keep")
    session.run("coverage", "report", "--skip-covered", "--skip-empty")


@nox.session
def integration(session: nox.Session) -> None:
    """Run the tests of several packages together, of the services and of the mock Slurm."""
    _install(session, "integration", PACKAGES)
    for folder in ("integration-tests/services", "integration-tests/mock_slurm", "."):
        with session.chdir(folder):
            session.run("python", "-m", "pytest", *session.posargs)


def _cells() -> list[object]:
    found = []
    for package, entry in MATRIX["packages"].items():
        rows = entry.get("rows", {"": {}})
        for row, choice in rows.items():
            pins = f"{package}-{row}" if row else package
            # The version is part of the id: without it, every Python would share one environment.
            found += [nox.param(p, package, pins, id=f"{pins}-py{p}") for p in choice.get("pythons", PYTHONS)]
    return found


# The list of sessions shows the matrix as one line: its forty cells would drown the others.
_LISTING = bool({"-l", "--list", "--list-sessions"} & set(sys.argv))


@nox.session(default=False)
@(lambda function: function) if _LISTING else nox.parametrize("python,package,pins", _cells())
def matrix(session: nox.Session, package: str, pins: str) -> None:
    """Run every package x Python x framework version of matrix.toml; choose with `-k "syzygy and django61"`."""
    _test_package(session, package, pins, measured="--cov" in session.posargs)


@nox.session(default=False)
def docker(session: nox.Session) -> None:
    """Run the service-backed tests against containers of compose.yaml; `-- --local-images` makes the images first."""
    _install(session, "integration", PACKAGES)
    folders = ["integration-tests/services/tests/test_fixtures.py", *sorted(ROOT.glob("packages/*/tests/contract"))]
    inside = ["python", "integration-tests/run_pytest_in.py", *(os.path.relpath(folder, ROOT) for folder in folders)]
    if "--local-images" in session.posargs:
        inside = ["python", "-m", "pentad_services.images", "run", *inside]
    session.run(*inside, env={"PENTAD_TEST_DOCKER": "1"})


@nox.session(default=False)
def s3_servers(session: nox.Session) -> None:
    """Run the storage's tests on the other S3 servers: Ceph's radosgw (Debian's packages) and moto."""
    _install(session, "s3-servers", ["django-minio-backend"])
    with session.chdir("packages/django-minio-backend"):
        for server in ("radosgw", "moto"):
            arguments = session.posargs or ["tests"]
            session.run("python", "-m", "pytest", *arguments, env={"PENTAD_TEST_S3_SERVER": server})


@nox.session(default=False)
def slurm(session: nox.Session) -> None:
    """Run the Slurm contract against a real slurmctld, where Debian's packages are installed."""
    _install(session, "integration", PACKAGES)
    with session.chdir("integration-tests/mock_slurm"):
        session.run("python", "-m", "pentad_services.real_slurm", "run", "python", "-m", "pytest", "tests/contract")
    with session.chdir("packages/jupyterhub-moss"):
        files = ("tests/test_partitions_table.py", "tests/test_rest_backend.py")
        session.run("python", "-m", "pentad_services.real_slurm", "run", "python", "-m", "pytest", *files)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, the direction of imports and declared dependencies."""
    _install(session, "lint", PACKAGES)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports", "--no-cache")
    for package in PACKAGES:
        with session.chdir(f"packages/{package}"):
            session.run("deptry", "src", silent=True)


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy strict on the sources, mypy and pyright on files written as a user would."""
    _install(session, "types", PACKAGES)
    for package in PACKAGES:
        session.run("mypy", f"packages/{package}/src", f"packages/{package}/typing_tests")
    session.run("mypy", "integration-tests/services/src", "integration-tests/mock_slurm/src")
    with session.chdir("examples/portal"):
        session.run("mypy", "-p", "portal")
    session.run("pyright", *(f"packages/{package}/typing_tests" for package in PACKAGES))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site offline with warnings as errors and run every Python block of its pages."""
    _install(session, "docs", PACKAGES)
    with session.chdir("docs"):
        session.run("python", "-m", "pytest", "--rootdir=.")
    session.run("sphinx-build", "-nW", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution twice, compare, and import each wheel alone in an empty environment."""
    first, second = (_built(session, PACKAGES) for _ in range(2))
    if first != second:
        session.error("two builds of the same tree differ")
    for package in PACKAGES:
        _try_alone(session, package)


def _built(session: nox.Session, packages: list[str]) -> dict[str, str]:
    """Build wheels and sdists into dist/ and return the hash of each."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    for package in packages:
        session.run("uv", "build", "-q", f"packages/{package}", "--out-dir", "dist", external=True)
    files = sorted((ROOT / "dist").glob("pentad_*"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _try_alone(session: nox.Session, package: str) -> None:
    distribution = _distribution(package).replace("-", "_")
    # Both files are named: a resolver left to choose by name could take a stranger's distribution.
    named = sorted(
        {str(file) for name in (distribution, "pentad_config") for file in (ROOT / "dist").glob(f"{name}-*.whl")}
    )
    with tempfile.TemporaryDirectory() as folder:
        python = f"{folder}/bin/python"
        session.run("uv", "venv", "-q", "--python", sys.executable, folder, external=True, silent=True)
        session.run("uv", "pip", "install", "-q", "--python", python, *named, external=True)
        session.run("uv", "pip", "check", "--python", python, external=True, silent=True)
        session.run(python, "-I", "-c", f"import {MATRIX['packages'][package]['import']}", external=True)


def _distribution(package: str) -> str:
    return _project(package)["name"]


def _project(package: str) -> dict[str, str]:
    table: dict[str, str] = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())["project"]
    return table


@nox.session(default=False)
def api(session: nox.Session) -> None:
    """Report how each package's public API differs from its last release."""
    session.install("--no-deps", "-r", str(PINS / "release.txt"))
    tags = str(session.run("git", "tag", "--list", "--sort=-v:refname", external=True, silent=True)).split()
    for package in PACKAGES:
        prefix = f"{_distribution(package)}-v"
        last = next((tag for tag in tags if tag.startswith(prefix)), None)
        if last is None:
            session.log(f"{package}: no release yet, nothing to compare")
            continue
        name = MATRIX["packages"][package]["import"]
        session.run("griffe", "check", name, "-s", f"packages/{package}/src", "-a", last)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run every package's benchmarks: exact counts, and ratios measured side by side."""
    _install(session, "integration", PACKAGES)
    for script in sorted(ROOT.glob("packages/*/benchmarks/bench_*.py")):
        session.run("python", str(script.relative_to(ROOT)), *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the pins in requirements/ anew, one file a package and framework version."""
    for package, entry in MATRIX["packages"].items():
        project = f"packages/{package}/pyproject.toml"
        source = [project, "--all-extras", *_groups(f"{project}:test")]
        _compile(session, package, source)
        for row, choice in entry.get("rows", {}).items():
            oldest = choice.get("pythons", PYTHONS)[0]
            _compile(session, f"{package}-{row}", source, choice["constraints"], oldest)
    projects = [f"{folder}/pyproject.toml" for folder in _members(PACKAGES)]
    every = [*projects, "--all-extras"]
    tested = [*every, *_groups(*(f"{project}:test" for project in projects))]
    _compile(session, "portal", [*every, *_groups("portal")])
    _compile(session, "lint", [*every, *_groups("lint")])
    _compile(session, "types", [*every, *_groups("types", "portal")])
    _compile(session, "integration", [*tested, *_groups("portal", "browser", "docker")])
    _compile(session, "docs", [*tested, *_groups("docs")])
    storage = "packages/django-minio-backend/pyproject.toml"
    _compile(session, "s3-servers", [storage, "--all-extras", *_groups(f"{storage}:test", "s3-servers")])
    for name in ("coverage", "release"):
        _compile(session, name, _groups(name))


def _groups(*names: str) -> list[str]:
    """Options of uv for dependency groups: the root's by name, a project's as PATH:NAME."""
    return [part for name in names for part in ("--group", name if ":" in name else f"pyproject.toml:{name}")]


def _compile(
    session: nox.Session, name: str, source: list[str], constraints: list[str] | None = None, python: str = "3.11"
) -> None:
    ours = [*(_distribution(package) for package in PACKAGES), "pentad-services", "mock-slurm"]
    hidden = [part for distribution in ours for part in ("--no-emit-package", distribution)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as limits:
        limits.write("\n".join(constraints or []))
        limits.flush()
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", python),
            *("--no-header", "--no-annotate", "--constraint", limits.name, *hidden, *source),
            *("--output-file", str(PINS / f"{name}.txt"), "--upgrade"),
            external=True,
            silent=True,
        )


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Release one package: `-- PACKAGE major|minor|patch` bumps, writes the change log, builds, checks and tags."""
    if len(session.posargs) != 2 or session.posargs[0] not in PACKAGES:
        session.error(f"say which package and which part to bump: nox -s release -- PACKAGE minor (of {PACKAGES})")
    package, part = session.posargs
    if session.run("git", "status", "--porcelain", external=True, silent=True):
        session.error("the work tree has changes; commit them first")
    session.install("--no-deps", "-r", str(PINS / "release.txt"))
    folder, distribution = f"packages/{package}", _distribution(package)
    session.run("uv", "version", "--package", distribution, "--bump", part, "--frozen", external=True)
    version = _project(package)["version"]
    session.run("towncrier", "build", "--yes", "--dir", folder, "--config", f"{folder}/pyproject.toml",
                "--version", version)  # fmt: skip
    if _built(session, ["config", package]) != _built(session, ["config", package]):
        session.error("two builds of the same tree differ")
    _try_alone(session, package)
    session.run("git", "commit", "-am", f"Release {distribution} {version}", external=True)
    session.run("git", "tag", f"{distribution}-v{version}", external=True)


if __name__ == "__main__":
    nox.main()
