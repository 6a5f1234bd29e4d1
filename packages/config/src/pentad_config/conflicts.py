"""Notice when an upstream distribution and ours are both installed and overwrite each other's files."""

from __future__ import annotations

#: Import name, our distribution, and the distributions of other projects that own the same import name.
_OWNERS = (
    ("starsessions", "pentad-starsessions", ("starsessions",)),
    ("eventsourcing_django", "pentad-eventsourcing-django", ("eventsourcing-django",)),
    ("syzygy", "pentad-syzygy", ("django-syzygy",)),
    ("django_minio_backend", "pentad-django-minio-backend", ("django-minio-backend",)),
    ("jupyterhub_moss", "pentad-jupyterhub-moss", ("jupyterhub-moss",)),
)


def conflicts() -> list[str]:
    """Return one sentence for each import name that two installed distributions own."""
    return [
        f"{name}: {ours} and {theirs} are both installed and share the import name; which files you have depends on "
        f"the order of installation. Run: pip uninstall {theirs} {ours}, then pip install {ours}."
        for name, ours, others in _OWNERS
        for theirs in others
        if _installed(ours) and _installed(theirs)
    ]


def _installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
