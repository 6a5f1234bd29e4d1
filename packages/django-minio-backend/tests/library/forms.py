from django import forms

from django_minio_backend.uploads import DirectUploadField, MultipleDirectUploadField
from library.models import Document

MIB = 1024 * 1024


class DocumentForm(forms.ModelForm):
    file = DirectUploadField(max_size=200 * MIB, help_text="Any file up to 200 MB.")

    class Meta:
        model = Document
        fields = ("file", "title")


class PictureForm(forms.Form):
    picture = DirectUploadField(max_size=MIB, content_types=["image/*"], required=False)


class AlbumForm(forms.Form):
    pictures = MultipleDirectUploadField(max_files=2, label="Pictures")
