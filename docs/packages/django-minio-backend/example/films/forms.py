from django import forms

from django_minio_backend.uploads import DirectUploadField
from films.models import Film


class FilmForm(forms.ModelForm):
    file = DirectUploadField(max_size=20 * 1024**3, content_types=["video/*"])

    class Meta:
        model = Film
        fields = ["title", "file"]
