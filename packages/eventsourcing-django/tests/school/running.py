"""The runner that tests put in the project's place."""

RUNNER = {}


def get_runner():
    """What the setting EVENTSOURCING_RUNNER names."""
    return RUNNER["runner"]
