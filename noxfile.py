# /// script
# requires-python = ">=3.11"
# dependencies = ["nox[uv]>=2026.4"]
# ///
"""Everything a contributor runs: `nox -l` lists it, `nox` alone does what should pass before a push."""

from __future__ import annotations

import os
import re
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
# From 4.25 on, whatever imports JupyterHub or a Jupyter server builds a grammar of addresses first: two seconds of CPU
# for each of the hundred processes of the tests.
HELD_BACK = ["jsonschema<4.25"]

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


def _found(pythons: list[str]) -> list[str]:
    return [version for version in pythons if shutil.which(f"python{version}")]


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
    environment = {}
    if measured:
        session.install("--no-deps", "-r", str(PINS / "coverage.txt"))
        command = ["-m", "coverage", "run", f"--source={MATRIX['packages'][package]['import']}", *command]
        environment |= {"COVERAGE_FILE": str(ROOT / ".coverage"), "COVERAGE_RCFILE": str(ROOT / "pyproject.toml")}
    with session.chdir(f"packages/{package}"):
        session.run("python", *command, env=environment)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Start the portal on all five packages; `-- --check` plays a visit and exits, `-- --docker` takes containers."""
    # With `--docker`, what starts containers is needed too.
    _install(session, "integration" if "--docker" in session.posargs else "portal", PACKAGES)
    try:
        session.run(
            "python", "examples/portal/demo.py", *session.posargs, interrupt_timeout=30.0, terminate_timeout=15.0
        )
    except KeyboardInterrupt:
        session.log("The portal has been stopped.")


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Play visitors while the portal's services are killed and its keys change: ten minutes, or `-- 60` seconds."""
    _install(session, "portal", PACKAGES)
    session.install("--constraint", str(PINS / "docs.txt"), "matplotlib")
    seconds = session.posargs or ["600"]
    session.run(
        "python", "examples/portal/demo.py", "--plot", "soak.png", "--soak", *seconds,
        interrupt_timeout=30.0, terminate_timeout=15.0,
    )  # fmt: skip


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
@nox.parametrize(
    "folder",
    [".", "integration-tests/services", "integration-tests/mock_slurm"],
    ids=["together", "services", "mock_slurm"],
)
def integration(session: nox.Session, folder: str) -> None:
    """Run the tests of several packages together, of the services or of the mock Slurm."""
    _install(session, "integration", PACKAGES)
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
def adoption(session: nox.Session) -> None:
    """Move small projects with live data from each upstream package to ours and back."""
    _install(session, "integration", PACKAGES)
    session.run(
        "python", "-m", "pytest", *(session.posargs or ["integration-tests/adoption"]), env={"PENTAD_ADOPTION": "1"}
    )


@nox.session(default=False)
def slurm(session: nox.Session) -> None:
    """Run the Slurm contract against a real slurmctld, where Debian's packages are installed."""
    _install(session, "integration", PACKAGES)
    with session.chdir("integration-tests/mock_slurm"):
        session.run("python", "-m", "pentad_services.real_slurm", "run", "python", "-m", "pytest", "tests/contract")
    with session.chdir("packages/jupyterhub-moss"):
        files = ("tests/test_partitions_table.py", "tests/test_rest_backend.py", "tests/test_visit.py")
        # What these files show on the mock, `nox -s tests` has shown.
        real = ["-k", "not mock", *files]
        session.run("python", "-m", "pentad_services.real_slurm", "run", "python", "-m", "pytest", *real)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, the direction of imports and declared dependencies."""
    _install(session, "lint", PACKAGES)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("python", "tools/support_table.py", "--check")
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
    session.run("mypy", "integration-tests/services/src", "integration-tests/mock_slurm/src", "tools")
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
    _run_tool(session, "distributions.py", "wheels")


@nox.session(default=False)
def api(session: nox.Session) -> None:
    """Report how each package's public API differs from its last release."""
    _run_tool(session, "distributions.py", "api")


def _run_tool(session: nox.Session, *command: str) -> None:
    session.install("--no-deps", "-r", str(PINS / "release.txt"))
    session.run("python", f"tools/{command[0]}", *command[1:])


@nox.session(default=False, python=next(reversed(_found(PYTHONS)), None))
def bench(session: nox.Session) -> None:
    """Measure every package beside its peers, `-- PACKAGE --rounds 5` only one; writes what the site shows."""
    _install(session, "integration", PACKAGES)
    chosen = [argument for argument in session.posargs if argument in PACKAGES]
    options = [argument for argument in session.posargs if argument not in PACKAGES]
    failed = []
    for package in chosen or PACKAGES:
        (script,) = ROOT.glob(f"packages/{package}/benchmarks/bench_*.py")
        try:
            session.run("python", str(script.relative_to(ROOT)), "--json", f"docs/benchmarks/{package}.json", *options)
        except nox.command.CommandFailed:
            failed.append(package)  # one that misses a target does not keep the others from being measured
    if failed:
        session.error(f"Failed, or missed a target: {', '.join(failed)}")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the pins in requirements/ anew, one file a package and framework version, and README's table of them."""
    session.run("python", "tools/support_table.py")
    for package, entry in MATRIX["packages"].items():
        project = f"packages/{package}/pyproject.toml"
        source = [project, "--all-extras", *_groups(f"{project}:test")]
        _compile(session, package, source)
        for row, choice in entry.get("rows", {}).items():
            constraints = _lower_bounds(ROOT / project) if choice.get("oldest") else choice["constraints"]
            _compile(session, f"{package}-{row}", source, constraints, choice.get("pythons", PYTHONS)[0])
    projects = [f"{folder}/pyproject.toml" for folder in _members(PACKAGES)]
    every = [*projects, "--all-extras"]
    tested = [*every, *_groups(*(f"{project}:test" for project in projects))]
    _compile(session, "portal", [*every, *_groups("portal")])
    _compile(session, "lint", [*every, *_groups("lint")])
    _compile(session, "types", [*every, *_groups("types", "portal")])
    _compile(session, "integration", [*tested, *_groups("portal", "browser", "docker", "release")])
    _compile(session, "docs", [*tested, *_groups("docs")])
    storage = "packages/django-minio-backend/pyproject.toml"
    _compile(session, "s3-servers", [storage, "--all-extras", *_groups(f"{storage}:test", "s3-servers")])
    for name in ("coverage", "release"):
        _compile(session, name, _groups(name))


def _lower_bounds(project: Path) -> list[str]:
    """The oldest version of everything that a distribution declares, also of its extras, as constraints."""
    declared = tomllib.loads(project.read_text())["project"]
    extras = declared.get("optional-dependencies", {}).values()
    bounds = []
    for line in sum(extras, declared["dependencies"]):
        bound = re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", line)
        if bound is None:
            raise ValueError(f"{project}: {line!r} has no lower bound that the row `oldest` could take")
        if not bound[1].startswith("pentad-"):
            bounds.append(f"{bound[1]}=={bound[2]}")
    return bounds


def _groups(*names: str) -> list[str]:
    """Options of uv for dependency groups: the root's by name, a project's as PATH:NAME."""
    return [part for name in names for part in ("--group", name if ":" in name else f"pyproject.toml:{name}")]


def _compile(
    session: nox.Session, name: str, source: list[str], constraints: list[str] | None = None, python: str = "3.11"
) -> None:
    projects = [
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in _members(PACKAGES)
    ]
    hidden = [part for project in projects for part in ("--no-emit-package", project["name"])]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as limits:
        limits.write("\n".join([*HELD_BACK, *(constraints or [])]))
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
    """Release one package: `-- PACKAGE major|minor|patch [--dry-run]` bumps, writes the change log, checks and tags."""
    _run_tool(session, "release.py", *session.posargs)


if __name__ == "__main__":
    nox.main()
