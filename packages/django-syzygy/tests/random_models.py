"""Random models, and random changes of them, release by release."""

import copy
from dataclasses import dataclass, field

ROWS = 3  # rows of every model: what a migration has to cope with, and what foreign keys can point to

# A field's class, its options, the default it can have, and the value of a row.
KINDS = {
    "int": ("IntegerField", "", "7", "10 + row"),
    "big": ("BigIntegerField", "", "7", "10 + row"),
    "char": ("CharField", "max_length={length}", "'x'", "f'c{row}'"),
    "text": ("TextField", "", "''", "f't{row}'"),
    "bool": ("BooleanField", "", "False", "bool(row % 2)"),
    "date": ("DateField", "", "datetime.date(2020, 1, 2)", "datetime.date(2021, 1, 1 + row)"),
    "moment": ("DateTimeField", "", "timezone.now", "timezone.now()"),
    "decimal": ("DecimalField", "max_digits=8, decimal_places=2", "1.5", "row"),
    "json": ("JSONField", "", "dict", "{'row': row}"),
}


@dataclass
class Field:
    kind: str
    null: bool = False
    default: bool = False
    db_default: bool = False
    db_index: bool = False
    unique: bool = False
    distinct: bool = False
    length: int = 20
    target: str = ""

    def source(self):
        options = [f"{name}=True" for name in ("null", "db_index", "unique") if getattr(self, name)]
        if self.kind == "generated":
            return f"models.GeneratedField(expression=models.F('{self.target}') + 1, output_field=models.IntegerField(), db_persist=True)"
        if self.kind == "m2m":
            return f"models.ManyToManyField('{self.target}', related_name='+')"
        if self.kind == "fk":
            options = [f"'{self.target}'", "models.CASCADE", "related_name='+'", *options]
            class_, default = "ForeignKey", "1"
        else:
            class_, extra, default, _ = KINDS[self.kind]
            options = [*filter(None, [extra.format(length=self.length)]), *options]
        if self.default:
            options.append(f"default={default}")
        if self.db_default:
            options.append(f"db_default={default}")
        return f"models.{class_}({', '.join(options)})"

    def value(self):
        """The value of a row as source, None if there is nothing to say."""
        return {"generated": None, "m2m": None, "fk": "row"}.get(self.kind) or KINDS.get(self.kind, [None])[-1]


@dataclass
class Model:
    fields: dict = field(default_factory=dict)
    indexes: dict = field(default_factory=dict)
    uniques: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)

    def source(self, name):
        lines = [f"class {name}(models.Model):", *(f"    {n} = {f.source()}" for n, f in self.fields.items())]
        indexes = [f"models.Index(fields={names!r}, name={n!r})" for n, names in self.indexes.items()]
        constraints = [f"models.UniqueConstraint(fields={names!r}, name={n!r})" for n, names in self.uniques.items()]
        constraints += [
            f"models.CheckConstraint(condition=models.Q({c}__gte=0), name={n!r})" for n, c in self.checks.items()
        ]
        lines += [
            f"    class Meta:\n        indexes = [{', '.join(indexes)}]\n        constraints = [{', '.join(constraints)}]"
        ]
        values = {n: f.value() for n, f in self.fields.items()}
        row = ", ".join(f"{n + '_id' * (self.fields[n].kind == 'fk')}={v}" for n, v in values.items() if v)
        lines += [f"ROWS[{name!r}] = lambda row: dict({row})\n"]
        return "\n".join(lines)

    def names(self):
        """Fields that an index or a constraint can name."""
        return [n for n, f in self.fields.items() if f.kind in {"int", "big", "char", "date", "bool", "fk"}]

    def mentions(self, name):
        """Whether something else in the model needs a field."""
        named = [n for group in (*self.indexes.values(), *self.uniques.values()) for n in group]
        generated = [f.target for f in self.fields.values() if f.kind == "generated"]
        return name in {*named, *self.checks.values(), *generated}


class Shop:
    """The models of an application, changed at random; `renames` tells what was renamed since it was last asked."""

    def __init__(self, rng):
        self.rng = rng
        self.counter = 0
        self.models = {}
        self.renames = []
        for _ in range(rng.randint(2, 3)):
            self.add_model()

    def source(self):
        prelude = "import datetime\nfrom django.db import models\nfrom django.utils import timezone\nROWS = {}\n"
        return prelude + "\n".join(model.source(name) for name, model in self.models.items())

    def new(self, prefix):
        self.counter += 1
        return f"{prefix}{self.counter}"

    def change(self, times):
        """Make so many changes that are possible, each to a model or field of its own."""
        self.renames, self.touched, done = [], set(), []
        while len(done) < times:
            change = self.rng.choice(CHANGES)
            before = copy.deepcopy(self.models)
            if getattr(self, change)():
                done.append(change)
            else:
                self.models = before
        return done

    def model(self):
        name = self.rng.choice(sorted(self.models))
        return name, self.models[name]

    def free_field(self, wanted=lambda _: True):
        """A field that nothing was done to in this release."""
        name, model = self.model()
        found = [
            n
            for n, f in model.fields.items()
            if (name, n) not in self.touched and name not in self.touched and wanted(f)
        ]
        if not found:
            return None
        chosen = self.rng.choice(found)
        self.touched.add((name, chosen))
        return model, chosen, model.fields[chosen]

    # Fields

    def _field(self, added):
        kind = self.rng.choice([*KINDS, "fk"])
        made = Field(kind, distinct=not added and kind in {"int", "big", "char"})
        if kind == "fk":
            made.target = self.rng.choice(sorted(self.models)) if self.models else ""
            if not made.target or made.target in getattr(self, "touched", ()):
                return self._field(added)
        how = self.rng.choice(
            ["null", "default", "null default", "db_default"] if added else ["null", "default", "required"]
        )
        made.null, made.default = "null" in how, how in {"default", "null default"}
        made.db_default = how == "db_default" and kind not in {"moment", "json", "fk"}
        made.default |= how == "db_default" and not made.db_default
        made.db_index = kind not in {"fk", "json"} and self.rng.random() < 0.2
        return made

    def add_field(self):
        name, model = self.model()
        if name in self.touched:
            return False
        added = self.new("f")
        model.fields[added] = self._field(added=True)
        self.touched.add((name, added))
        return True

    def add_generated(self):
        name, model = self.model()
        whole = [n for n, f in model.fields.items() if f.kind == "int" and (name, n) not in self.touched]
        if not whole or name in self.touched:
            return False
        added, base = self.new("g"), self.rng.choice(whole)
        model.fields[added] = Field("generated", target=base)
        self.touched |= {(name, added), (name, base)}
        return True

    def add_m2m(self):
        name, model = self.model()
        target = self.rng.choice(sorted(self.models))
        if {name, target} & self.touched:
            return False
        added = self.new("m")
        model.fields[added] = Field("m2m", target=target)
        self.touched |= {(name, added), ("used", name), ("used", target)}
        return True

    def remove_field(self):
        found = self.free_field()
        if not found or found[0].mentions(found[1]) or len(found[0].fields) == 1:
            return False
        del found[0].fields[found[1]]
        return True

    def rename_field(self):
        found = self.free_field(lambda f: f.kind not in {"m2m", "generated"})
        if not found or found[0].mentions(found[1]):
            return False
        model, old, _ = found
        new = self.new("r")
        model.fields = {new if n == old else n: f for n, f in model.fields.items()}
        self.renames.append((old, new))
        name = next(n for n, m in self.models.items() if m is model)
        self.touched.add((name, new))
        return True

    def alter(self, wanted, **options):
        found = self.free_field(wanted)
        for name, value in options.items() if found else ():
            setattr(found[2], name, value)
        return bool(found)

    def require(self):
        return self.alter(lambda f: f.null and f.kind in KINDS, null=False, default=True)

    def permit_null(self):
        return self.alter(lambda f: not f.null and f.kind in (*KINDS, "fk"), null=True)

    def widen(self):
        return self.alter(lambda f: f.kind == "char" and f.length == 20, length=40)

    def add_db_default(self):
        kinds = set(KINDS) - {"moment", "json"}
        return self.alter(lambda f: not f.db_default and f.kind in kinds, db_default=True)

    def drop_db_default(self):
        return self.alter(lambda f: f.db_default, db_default=False)

    def add_db_index(self):
        return self.alter(
            lambda f: not f.db_index and not f.unique and f.kind in {"int", "char", "date"}, db_index=True
        )

    def drop_db_index(self):
        return self.alter(lambda f: f.db_index, db_index=False)

    def add_unique(self):
        return self.alter(lambda f: f.distinct and not f.unique and not f.db_index, unique=True)

    def drop_unique(self):
        return self.alter(lambda f: f.unique, unique=False)

    # Indexes and constraints

    def _add_named(self, kind, make):
        name, model = self.model()
        names = [n for n in model.names() if (name, n) not in self.touched]
        if not names or name in self.touched:
            return False
        chosen = sorted(self.rng.sample(names, min(len(names), self.rng.randint(1, 2))))
        made = make(model, chosen)
        if made is None:
            return False
        getattr(model, kind)[self.new(kind[:3])] = made
        self.touched |= {(name, n) for n in chosen}
        return True

    def add_index(self):
        return self._add_named("indexes", lambda _, names: names)

    def add_unique_constraint(self):
        return self._add_named("uniques", lambda m, names: names if any(m.fields[n].distinct for n in names) else None)

    def add_check(self):
        return self._add_named(
            "checks", lambda m, names: names[0] if m.fields[names[0]].kind in {"int", "big"} else None
        )

    def _remove_named(self, kind):
        name, model = self.model()
        named = getattr(model, kind)
        if not named or name in self.touched:
            return False
        removed = named.pop(self.rng.choice(sorted(named)))
        self.touched |= {(name, n) for n in ([removed] if isinstance(removed, str) else removed)}
        return True

    def remove_index(self):
        return self._remove_named("indexes")

    def remove_constraint(self):
        return self._remove_named(self.rng.choice(["uniques", "checks"]))

    # Models

    def add_model(self):
        model, name = Model(), self.new("Thing")
        for _ in range(self.rng.randint(2, 4)):
            model.fields[self.new("f")] = self._field(added=False)
        self.models[name] = model
        if hasattr(self, "touched"):
            self.touched |= {name}
        return True

    def _relations(self, name):
        return [
            f for m in self.models.values() for f in m.fields.values() if f.target == name and f.kind != "generated"
        ]

    def _whole_model(self):
        """A model that nothing was done to, nor to anything that relates to it or that it relates to."""
        name, model = self.model()
        related = {n for n, m in self.models.items() for f in m.fields.values() if f.target == name} | {
            f.target for f in model.fields.values()
        }
        touched = {t if isinstance(t, str) else t[t[0] == "used"] for t in self.touched}
        return None if touched & {name, *related} else (name, model)

    def delete_model(self):
        found = self._whole_model()
        if not found or self._relations(found[0]) or len(self.models) == 1:
            return False
        del self.models[found[0]]
        self.touched |= {found[0], *(f.target for f in found[1].fields.values())}
        return True

    def rename_model(self):
        found = self._whole_model()
        if not found:
            return False
        old, new = found[0], self.new("Other")
        self.models = {new if n == old else n: m for n, m in self.models.items()}
        for relation in self._relations(old):
            relation.target = new
        self.renames.append((old, new))
        related = {n for n, m in self.models.items() for f in m.fields.values() if f.target == new}
        self.touched |= {old, new, *related, *(f.target for f in found[1].fields.values())}
        return True


CHANGES = [
    name
    for name in vars(Shop)
    if name.startswith(("add_", "remove_", "rename_", "delete_", "drop_", "require", "permit_", "widen"))
]
