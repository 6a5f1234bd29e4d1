"""Cutting SQL text into statements and clauses."""

from hypothesis import given
from hypothesis import strategies as st

from syzygy.locks.lexing import clauses, statements

PIECES = [
    "a",
    "(",
    ")",
    ",",
    ";",
    " ",
    "  ",
    "\t",
    "\n",
    "\xa0",
    "\u2003",
    '"x"',
    '"x  y"',
    '"a,b"',
    "'it''s;'",
    "$$;$$",
    ".",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(TEXTS)
def test_a_plain_text_is_cut_like_one_with_a_comment(text):
    """The short way, for a text without comments, strings and several statements, finds what the long way finds."""
    assert statements(text) == statements(f"{text}/* not plain */")


@given(TEXTS.filter(lambda text: not {"(", ")"} & set(text)))
def test_a_clause_alone_is_cut_like_one_beside_others(text):
    """Here, too, the short way finds what the long way does."""
    assert clauses(text) == clauses(f"{text},z")[:-1]
