"""What can be wrong with a stage or a plan. All are `ValueError`s; `migrate` turns them into `CommandError`s."""

__all__ = ("AmbiguousPlan", "AmbiguousStage", "InvalidStage")


class AmbiguousStage(ValueError):  # noqa: N818 - the documented name
    """The operations of one migration belong to different stages and nothing says which one wins."""


class AmbiguousPlan(ValueError):  # noqa: N818 - the documented name
    """A migration of this stage needs one of the other stage to run first."""


class InvalidStage(ValueError):  # noqa: N818 - the documented name
    """Something that is not a `Stage`, nor the text of one, was given as a stage."""
