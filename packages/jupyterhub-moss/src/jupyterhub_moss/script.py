"""The head of a job script: the directives that sbatch reads."""

from collections.abc import Iterable


def with_directives(script: str, options: Iterable[str]) -> str:
    """The script with ``#SBATCH`` lines for `options` after its own, where they win.

    sbatch reads none below the first command.
    """
    lines = script.splitlines(keepends=True)
    position = 1
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            position = number + 1
    return "".join([*lines[:position], *(f"#SBATCH {option}\n" for option in options), *lines[position:]])
