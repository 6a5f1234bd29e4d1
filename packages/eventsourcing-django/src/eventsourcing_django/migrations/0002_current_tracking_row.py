"""One moving tracking row per pair of applications, and rows to lock where the database needs them.

Additive and nullable: eventsourcing-django keeps working on the migrated tables, and the two can run side by side.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("eventsourcing_django", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(name="storedeventrecord", options={"verbose_name": "stored event"}),
        migrations.AlterModelOptions(name="snapshotrecord", options={"verbose_name": "snapshot"}),
        migrations.AlterModelOptions(
            name="notificationtrackingrecord", options={"verbose_name": "notification tracking"}
        ),
        migrations.AddField(
            model_name="notificationtrackingrecord",
            name="is_current",
            field=models.BooleanField(default=None, editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="notificationtrackingrecord",
            constraint=models.UniqueConstraint(
                fields=("application_name", "upstream_application_name", "is_current"),
                name="notification_tracking_one_current_row",
            ),
        ),
        migrations.CreateModel(
            name="RecorderLock",
            fields=[
                ("application_name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("revision", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "eventsourcing_recorder_locks", "verbose_name": "recorder lock"},
        ),
    ]
