"""What eventsourcing 10 says of an event beside its state. Additive and nullable: writers of before leave it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("eventsourcing_django", "0003_text_originator_ids")]

    operations = [
        migrations.AddField(
            model_name=model,
            name=name,
            field=field(default=None, editable=False, null=True),
        )
        for model in ("storedeventrecord", "snapshotrecord", "textstoredeventrecord", "textsnapshotrecord")
        for name, field in (("event_id", models.UUIDField), ("metadata", models.JSONField))
    ]
