import uuid

from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=40, db_index=True)
    cost = models.IntegerField()
    quantity = models.IntegerField(default=1)
    code = models.UUIDField(default=uuid.uuid4, unique=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(cost__gte=0), name="costs_something")]
        indexes = [models.Index(fields=["cost"], name="by_cost")]
