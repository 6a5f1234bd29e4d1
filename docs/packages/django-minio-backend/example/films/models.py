from django.db import models


class Film(models.Model):
    title = models.CharField(max_length=100)
    file = models.FileField(upload_to="films")

    def __str__(self):
        return self.title
