from django.db import migrations

import syzygy.operations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("datasets", "0001_initial"),
    ]

    operations = [
        syzygy.operations.ExpandRenameField(
            model_name="searchentry",
            old_name="registered_by",
            new_name="depositor",
        ),
    ]
