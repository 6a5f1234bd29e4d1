from django.db import models


class Document(models.Model):
    file = models.FileField(upload_to="documents", max_length=60)
    title = models.CharField(max_length=20, blank=True)

    def __str__(self):
        return self.file.name
