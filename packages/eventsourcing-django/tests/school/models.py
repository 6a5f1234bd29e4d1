from django.db import models


class EventCounter(models.Model):
    """Counts something by name."""

    name = models.CharField(max_length=100, unique=True)
    count = models.IntegerField(default=0)

    def __str__(self):
        return f"{self.name}: {self.count}"
