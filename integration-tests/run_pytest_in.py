"""Run pytest in several projects one after the other: `python run_pytest_in.py packages/x/tests/contract ...`.

Each project has a configuration of its own, so one pytest cannot run them together.
"""

import subprocess
import sys
from pathlib import Path


def project_of(path: Path) -> Path:
    """Return the nearest folder above that has a pyproject.toml."""
    return next(folder for folder in path.resolve().parents if (folder / "pyproject.toml").is_file())


def main(paths: list[str]) -> int:
    """Run them all and return 1 if one failed."""
    failed = []
    for path in map(Path, paths):
        project = project_of(path)
        print(f"--- {path}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", str(path.resolve().relative_to(project))]
        if subprocess.run(command, cwd=project, check=False).returncode:
            failed.append(str(path))
    print(f"failed: {', '.join(failed)}" if failed else f"all {len(paths)} passed", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
