from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0002_rename_registered_by_searchentry_depositor"),
    ]

    operations = [
        migrations.AddField(
            model_name="searchentry",
            name="licence",
            field=models.CharField(db_default="", default="", max_length=40),
        ),
    ]
