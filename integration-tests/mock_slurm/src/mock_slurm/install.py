"""The folder of commands: sbatch, squeue and the others as programs on PATH."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from . import client

__all__ = ["PROGRAMS", "install"]

PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "sacct")
"""Commands that talk to the controller."""

_SRUN = """\
#!/bin/sh
# A step on the node the job already runs on: drop srun's own options, become the program.
if [ -z "$SLURM_JOB_ID" ]; then
    echo "srun: error: this srun runs inside a batch job only" >&2
    exit 1
fi
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -[nNcptJoewDAqxGK]) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
if [ $# -eq 0 ]; then
    echo "srun: fatal: No command given to execute." >&2
    exit 1
fi
exec "$@"
"""


def install(folder: Path, python: str = sys.executable) -> Path:
    """Write the commands and `srun` into `folder` (made if missing) and return it.

    The folder is complete in itself: it can be copied or mounted into a container that has `python`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    messenger = folder / "mock_slurm_client.py"
    shutil.copyfile(client.__file__, messenger)
    for program in PROGRAMS:
        _script(
            folder / program,
            f'#!/bin/sh\nexec {shlex.quote(python)} -I -S "${{0%/*}}/mock_slurm_client.py" {program} "$@"\n',
        )
    _script(folder / "srun", _SRUN)
    return folder


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
