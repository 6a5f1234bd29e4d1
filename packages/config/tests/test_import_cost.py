"""Importing the package is cheap and pulls in nothing but the standard library."""

import json
import subprocess
import sys

SCRIPT = """
import sys
before = set(sys.modules)
import pentad_config
added = sorted(set(sys.modules) - before)
import json
print(json.dumps(added))
"""


def test_import_adds_few_modules_and_none_of_others():
    """At most 25 modules, all of them ours or Python's."""
    added = json.loads(subprocess.check_output([sys.executable, "-I", "-c", SCRIPT]))
    foreign = [n for n in added if n.partition(".")[0] not in {*sys.stdlib_module_names, "pentad_config"}]
    assert foreign == []
    assert len(added) <= 25, added


def test_everything_public_is_listed():
    """`__all__` names what the package offers, and all of it is there."""
    import pentad_config

    public = {
        name
        for name, value in vars(pentad_config).items()
        if getattr(value, "__module__", "").startswith("pentad_config")
    }
    assert {n for n in public if not n.startswith("_")} == set(pentad_config.__all__)
