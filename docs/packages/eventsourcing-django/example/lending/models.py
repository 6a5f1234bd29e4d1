"""ORM models: members, which are edited, and the shelf, which follows from events."""

from django.core.validators import MaxValueValidator
from django.db import models

MOST_BOOKS = 3


class Member(models.Model):
    name = models.CharField(max_length=100)
    books = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(MOST_BOOKS)])

    def __str__(self) -> str:
        return self.name


class ShelvedBook(models.Model):
    """A book as lists show it; the projection writes it and nobody else."""

    book_id = models.UUIDField(primary_key=True)
    title = models.CharField(max_length=200)
    lent_to = models.ForeignKey(Member, null=True, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return self.title
