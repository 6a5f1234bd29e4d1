from django.db import migrations, models

import syzygy.constants
import syzygy.operations


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0004_drop_searchentry_registered_by"),
    ]

    operations = [
        syzygy.operations.AlterField(
            model_name="searchentry",
            name="licence",
            field=models.CharField(default="", max_length=40),
            stage=syzygy.constants.Stage["POST_DEPLOY"],
        ),
    ]
