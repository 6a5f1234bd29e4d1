"""Names from outside, whatever they hold."""

from django.core.exceptions import SuspiciousFileOperation
from hypothesis import given
from hypothesis import strategies as st

from django_minio_backend.naming import object_name, prefix_of
from django_minio_backend.signing import quote_path

pieces = st.sampled_from(["a", "..", ".", "/", "\\", "//", "b.txt", " ", "%2e%2e", "ü", "\0", "~", "\ud800"])
names = st.lists(pieces, min_size=1, max_size=8).map("".join) | st.text(min_size=1, max_size=30)


@given(names)
def test_an_object_name_stays_inside_and_is_final(name):
    """A name is refused, or becomes a relative key without empty, `.` or `..` parts that normalises to itself."""
    try:
        key = object_name(name)
    except SuspiciousFileOperation:
        return
    assert key.encode()
    assert not key.startswith("/") and "\\" not in key and "\0" not in key
    assert not {"", ".", ".."} & set(key.split("/"))
    assert object_name(key) == key
    assert prefix_of(name) in {key + "/", ""}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_quoted_path_is_plain_ascii(path):
    """Whatever a name holds, its address is made of letters, digits, `-_.~/` and percent escapes."""
    quoted = quote_path(path)
    assert quoted.isascii()
    assert all(mark.isalnum() or mark in "-_.~/%" for mark in quoted)
