from django.db import migrations

import syzygy.operations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("datasets", "0003_searchentry_licence"),
    ]

    operations = [
        syzygy.operations.ContractRenameField(
            model_name="searchentry",
            old_name="registered_by",
            new_name="depositor",
        ),
    ]
