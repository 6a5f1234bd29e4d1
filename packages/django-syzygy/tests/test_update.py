"""`makemigrations --update`: what has to wait for the deployment goes on waiting."""

ITEM = "class Item(models.Model):\n    name = models.CharField(max_length=9)\n    legacy = models.IntegerField(null=True)\n"
QTY, SIZE = "    qty = models.IntegerField(default=7)\n", "    size = models.IntegerField(default=8)\n"
GONE = ITEM.replace("    legacy = models.IntegerField(null=True)\n", "")


def make(project, models, *options):
    project.models(models)
    return project.run("makemigrations", "--no-input", "-v0", *options)


def test_a_second_change_of_the_same_kind(project):
    """The latest migration is divided anew: additions before the deployment, the rest after it."""
    make(project, ITEM)
    make(project, ITEM + QTY)
    make(project, ITEM + QTY + SIZE, "--update")
    assert project.migrations() == [
        "0001_initial",
        "0002_item_qty",
        "0003_item_size",
        "0004_alter_item_qty_drop_db_default_item_size",
    ]
    project.run("check")
    output = project.run("migrate", "--pre-deploy")
    assert "Applying shop.0003_item_size... OK" in output
    assert "  shop.0004_alter_item_qty_drop_db_default_item_size" in output
    project.run("migrate", "-v0")
    assert "No changes detected" in project.run("makemigrations", "--check")


def test_a_removal_after_an_addition(project):
    """A migration of the first half stays one, and the second half follows it."""
    make(project, ITEM)
    make(project, ITEM + "    size = models.IntegerField(null=True)\n")
    make(project, GONE + "    size = models.IntegerField(null=True)\n", "--update")
    assert project.migrations() == ["0001_initial", "0002_item_size_updated", "0003_remove_item_legacy"]
    project.run("check")
    assert '("shop", "0001_initial")' in project.source("0002_item_size_updated").replace("'", '"')
    assert '("shop", "0002_item_size_updated")' in project.source("0003_remove_item_legacy").replace("'", '"')


def test_the_first_migration_grows(project):
    """With nothing for after the deployment one file takes the place of the other, as in Django."""
    make(project, ITEM)
    make(project, ITEM + QTY, "--update")
    assert project.migrations() == ["0001_initial_updated"]
    assert "initial = True" in project.source("0001_initial_updated")
    assert "db_default" not in project.source("0001_initial_updated")


def test_what_cannot_be_updated(project):
    """A migration that is applied, or that others need, is refused by name."""
    assert "no migration" in _refused(project, ITEM)
    make(project, ITEM)
    make(project, ITEM + QTY)
    project.run("migrate", "-v0")
    assert "shop.0003_drop_db_default_item_qty is applied" in _refused(project, ITEM + QTY + SIZE)


def _refused(project, models):
    project.models(models)
    return project.run("makemigrations", "--no-input", "--update", status=1)


def test_django_alone(project):
    """With --disable-syzygy --update is Django's."""
    make(project, ITEM)
    make(project, ITEM + "    size = models.IntegerField(null=True)\n", "--disable-syzygy")
    make(project, ITEM + "    size = models.IntegerField(null=True)\n" + QTY, "--disable-syzygy", "--update")
    assert len(project.migrations()) == 2
