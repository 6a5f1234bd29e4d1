"""The changes that are deployed: models before and after, and what every release must find in the rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ("SCENARIOS", "Rule", "Scenario")


@dataclass(frozen=True)
class Rule:
    """What a field holds; expressions in `serial`, which a row keeps for life, and `version`, which updates raise.

    `writes` is what a release that knows the field stores, `reads` what a release that knows it may find during a
    deployment (in `value`, and `release`: who wrote the row last, or "seed"), `ends` what it may find in the end.
    """

    writes: str | None = "serial"
    reads: str = "value == serial"
    ends: str | None = None
    distinct: bool = False


@dataclass(frozen=True, eq=False)
class Scenario:
    """One change.

    `old` and `new` are the fields of Item, `between` what they were when migrations were made on the way, `both`,
    `more_old` and `more_new` further models, `renamed` is the new name of Item. `answers` are typed at makemigrations,
    `deletes` says which model's rows each release deletes besides, `refused` what a refusal must say.
    """

    name: str
    old: str = ""
    new: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    both: str = ""
    more_old: str = ""
    more_new: str = ""
    renamed: str = "Item"
    between: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    deletes: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def old_models(self) -> str:
        """The models of the release that runs."""
        return _source("Item", self.old, self.both + self.more_old)

    @property
    def new_models(self) -> tuple[str, ...]:
        """The models of the release that comes, one text for each time that migrations were made for it."""
        return tuple(_source(self.renamed, fields, self.both + self.more_new) for fields in (*self.between, self.new))


_PRELUDE = """\
import uuid
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Row(models.Model):
    serial = models.IntegerField()
    version = models.IntegerField()
    release = models.CharField(max_length=4)

    class Meta:
        abstract = True

"""


def _source(name: str, fields: str, more: str) -> str:
    body = "".join(f"    {line}\n" for line in fields.splitlines()) or "    pass\n"
    return f"{_PRELUDE}\n{more}\n\nclass {name}(Row):\n{body}"


_SHELF = "class Shelf(models.Model):\n    pass\n"
_NOTE = "class Note(Row):\n    text = models.CharField(max_length=20)\n"
_ON_SHELF = "1 + serial % 10"

# Of a field with a default: rows of code that does not know the field have it, and keep it until somebody writes.
_ADDED = Rule(reads="value in (7, serial)")
_NULLABLE = Rule(reads="value in (None, serial)")

SCENARIOS = (
    Scenario("add_null", new="qty = models.IntegerField(null=True)", rules={"qty": _NULLABLE}),
    Scenario("add_default", new="qty = models.IntegerField(default=7)", rules={"qty": _ADDED}),
    Scenario("add_null_default", new="qty = models.IntegerField(null=True, default=7)", rules={"qty": _ADDED}),
    Scenario(
        "add_auto_now",
        new="seen = models.DateTimeField(auto_now=True)",
        rules={"seen": Rule(None, "value.year >= 2024")},
    ),
    Scenario(
        "add_uuid",
        new="code = models.UUIDField(default=uuid.uuid4)",
        rules={"code": Rule(None, "value.int > 0", distinct=True)},
    ),
    Scenario(
        "add_unique_uuid",
        new="code = models.UUIDField(default=uuid.uuid4, unique=True)",
        rules={"code": Rule(None, "value is None or value.int > 0", "value.int > 0", distinct=True)},
    ),
    Scenario(
        "add_json_default",
        new="data = models.JSONField(default=dict)",
        rules={"data": Rule("{'serial': serial}", "value in ({}, {'serial': serial})")},
    ),
    Scenario("add_db_default", new="qty = models.IntegerField(db_default=7)", rules={"qty": _ADDED}),
    Scenario(
        "add_generated",
        new="twice = models.GeneratedField(\n"
        "    expression=F('serial') * 2, output_field=models.IntegerField(), db_persist=True)",
        rules={"twice": Rule(None, "value == 2 * serial")},
    ),
    Scenario(
        "add_fk_null",
        both=_SHELF,
        new="shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)",
        rules={"shelf_id": Rule(_ON_SHELF, f"value in (None, {_ON_SHELF})")},
    ),
    Scenario(
        "add_fk_default",
        both=_SHELF,
        new="shelf = models.ForeignKey(Shelf, models.CASCADE, default=1)",
        rules={"shelf_id": Rule(_ON_SHELF, f"value in (1, {_ON_SHELF})")},
    ),
    Scenario(
        "add_m2m",
        both=_SHELF,
        new="shelves = models.ManyToManyField(Shelf)",
        rules={"shelves": Rule(f"[{_ON_SHELF}]", f"value in ([], [{_ON_SHELF}])")},
    ),
    Scenario(
        "remove_m2m",
        both=_SHELF,
        old="shelves = models.ManyToManyField(Shelf)",
        rules={"shelves": Rule(f"[{_ON_SHELF}]", f"value in ([], [{_ON_SHELF}])")},
    ),
    Scenario(
        "add_index",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField()\nclass Meta:\n    indexes = [models.Index(fields=['qty'], name='item_qty')]",
        rules={"qty": Rule()},
    ),
    Scenario(
        "add_db_index",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField(db_index=True)",
        rules={"qty": Rule()},
    ),
    Scenario(
        "add_unique",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField(unique=True)",
        rules={"qty": Rule()},
    ),
    Scenario(
        "add_unique_constraint",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField()\nclass Meta:\n"
        "    constraints = [models.UniqueConstraint(fields=['qty'], name='one_qty')]",
        rules={"qty": Rule()},
    ),
    Scenario(
        "add_check",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField()\nclass Meta:\n"
        "    constraints = [models.CheckConstraint(condition=Q(qty__gte=0), name='some_qty')]",
        rules={"qty": Rule()},
    ),
    Scenario(
        "null_to_not_null",
        old="qty = models.IntegerField(null=True)",
        new="qty = models.IntegerField(default=7)",
        rules={
            "qty": Rule(
                "serial if serial % 2 or release == 'new' else None", "value in (None, 7, serial)", "value is not None"
            )
        },
    ),
    Scenario(
        "not_null_to_null",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField(null=True)",
        rules={"qty": Rule()},
    ),
    Scenario(
        "drop_db_default",
        old="qty = models.IntegerField(db_default=7)",
        new="qty = models.IntegerField()",
        rules={"qty": Rule()},
    ),
    Scenario("remove_not_null", old="qty = models.IntegerField()", rules={"qty": _NULLABLE}),
    Scenario("remove_default", old="qty = models.IntegerField(default=7)", rules={"qty": _ADDED}),
    Scenario("remove_null", old="qty = models.IntegerField(null=True)", rules={"qty": _NULLABLE}),
    Scenario(
        "remove_text",
        old="text = models.TextField(blank=True)",
        rules={"text": Rule("str(serial)", "value in ('', None, str(serial))")},
    ),
    Scenario(
        "remove_unique_uuid",
        old="code = models.UUIDField(default=uuid.uuid4, unique=True)",
        rules={"code": Rule(None, "value is None or value.int > 0")},
    ),
    Scenario(
        "remove_fk",
        both=_SHELF,
        old="shelf = models.ForeignKey(Shelf, models.CASCADE)",
        rules={"shelf_id": Rule("__import__('shop').models.Shelf.objects.create().pk", "True")},
        deletes={"new": "Shelf"},
    ),
    Scenario(
        "rename_field",
        old="price = models.IntegerField()",
        new="cost = models.IntegerField()",
        rules={name: Rule("serial + version", "value == serial + version") for name in ("price", "cost")},
        answers=("y", "4"),
    ),
    Scenario(
        "rename_model",
        old="qty = models.IntegerField()",
        new="qty = models.IntegerField()",
        rules={"qty": Rule("serial + version", "value == serial + version")},
        renamed="Product",
        answers=("y", "4"),
    ),
    Scenario("delete_model", more_old=_NOTE, rules={"text": Rule("str(serial)", "value == str(serial)")}),
    Scenario(
        "widen_varchar",
        old="text = models.CharField(max_length=20)",
        new="text = models.CharField(max_length=40)",
        rules={"text": Rule("str(serial)", "value == str(serial)")},
    ),
    Scenario(
        "int_to_bigint",
        old="qty = models.IntegerField()",
        new="qty = models.BigIntegerField()",
        rules={"qty": Rule()},
        refused="cannot change its type while the site is running",
    ),
    Scenario(
        "int_to_varchar",
        old="qty = models.IntegerField()",
        new="qty = models.CharField(max_length=20)",
        rules={"qty": Rule(reads="str(value) == str(serial)")},
        refused="cannot change its type while the site is running",
    ),
    Scenario(
        "stacked",
        old="qty = models.IntegerField()",
        between=("",),
        new="size = models.IntegerField(default=7)",
        rules={"qty": _NULLABLE, "size": _ADDED},
    ),
)
