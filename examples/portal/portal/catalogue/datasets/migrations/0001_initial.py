from django.db import migrations, models

import portal.catalogue.datasets.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="DataFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "file",
                    models.FileField(
                        max_length=300, storage=portal.catalogue.datasets.models.private_files, upload_to=""
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                ("uploaded_by", models.CharField(max_length=64)),
                ("uploaded_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                ("dataset_id", models.UUIDField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("summary", models.TextField(blank=True, default="")),
                ("keywords", models.CharField(blank=True, default="", max_length=400)),
                ("state", models.CharField(db_index=True, max_length=20)),
                ("file_size", models.BigIntegerField()),
                ("row_count", models.IntegerField()),
                ("registered_by", models.CharField(max_length=64)),
                ("registered_at", models.DateTimeField()),
                ("indexed_by", models.IntegerField(help_text="process id of the follower that wrote this row last")),
            ],
            options={
                "ordering": ("title",),
            },
        ),
    ]
