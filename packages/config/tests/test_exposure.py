"""`exposures` finds a value in attributes, and leaves alone what a secret hides."""

from pentad_config import Secret
from pentad_config.exposure import exposures

VALUE = "hunter2-hunter2"


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


class Holder:
    def __init__(self, **attributes):
        vars(self).update(attributes)


def test_a_plain_value_is_found_wherever_it_hangs():
    """In attributes, slots, containers and bytes, also inside a longer text and in a loop of objects."""
    holder = Holder(url=f"redis://:{VALUE}@h", deep=Slotted({"k": [("x", VALUE.encode())]}), fine=Secret(VALUE))
    holder.me = holder
    assert exposures(holder, VALUE, __name__.partition(".")[0]) == [".deep.inner[0][0][1]", ".url"]


def test_a_secret_is_not_an_exposure():
    """Nor is what another package keeps."""
    assert exposures(Holder(key=Secret(VALUE)), VALUE, __name__.partition(".")[0]) == []
    assert exposures(Holder(key=VALUE), VALUE, "another") == []
