"""Tables for aggregates whose IDs are strings (ORIGINATOR_ID_TYPE=text)."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def _tell_letters_apart(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # MySQL and MariaDB compare text without regard to case and trailing blanks unless a column says otherwise, and
    # 'a' and 'A' would be one aggregate. No name of a collation means the same on every database.
    connection = schema_editor.connection
    if connection.vendor == "mysql":
        collation = "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"  # type: ignore[attr-defined]
        column = f"originator_id varchar(255) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL"
        for table in ("stored_events_text", "snapshots_text"):
            schema_editor.execute(f"ALTER TABLE {table} MODIFY {column}")


class Migration(migrations.Migration):
    dependencies = [("eventsourcing_django", "0002_current_tracking_row")]

    operations = [
        migrations.CreateModel(
            name="TextStoredEventRecord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("application_name", models.CharField(max_length=32)),
                ("originator_id", models.CharField(max_length=255)),
                ("originator_version", models.BigIntegerField()),
                ("topic", models.TextField()),
                ("state", models.BinaryField()),
            ],
            options={
                "db_table": "stored_events_text",
                "verbose_name": "stored event with a text ID",
                "verbose_name_plural": "stored events with text IDs",
                "unique_together": {
                    ("application_name", "originator_id", "originator_version"),
                    ("application_name", "id"),
                },
            },
        ),
        migrations.CreateModel(
            name="TextSnapshotRecord",
            fields=[
                ("uid", models.BigAutoField(primary_key=True, serialize=False)),
                ("application_name", models.CharField(max_length=32)),
                ("originator_id", models.CharField(max_length=255)),
                ("originator_version", models.BigIntegerField()),
                ("topic", models.TextField()),
                ("state", models.BinaryField()),
            ],
            options={
                "db_table": "snapshots_text",
                "verbose_name": "snapshot with a text ID",
                "verbose_name_plural": "snapshots with text IDs",
                "unique_together": {("application_name", "originator_id", "originator_version")},
            },
        ),
        # MySQL and MariaDB cannot change a table in a transaction.
        migrations.RunPython(_tell_letters_apart, migrations.RunPython.noop, atomic=False),
    ]
