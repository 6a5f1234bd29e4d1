"""The forms of the curation."""

from typing import IO, TYPE_CHECKING, Any, Final, cast

from django import forms
from django.conf import settings

from django_minio_backend.uploads import DirectUploadField, DirectUploadInput
from portal.catalogue.datasets.profile import NotTabularError, profile_csv

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

LICENCES: Final = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0"]
_NO_KEYWORD: Final = "Give at least one keyword."


class RegisterForm(forms.Form):
    """A title and a CSV file, which the browser sends to the S3 server by itself; without scripts, with the form."""

    use_required_attribute = True
    title = forms.CharField(
        max_length=200,
        help_text="As it should stand in a list of data sets.",
        error_messages={"required": "Give the data set a title."},
    )
    file = DirectUploadField(
        label="Data file",
        max_length=100,
        max_size=settings.DATASET_MAX_BYTES,
        content_types=["text/csv"],
        help_text="A CSV file in UTF-8 with a header row, up to 50\N{NO-BREAK SPACE}MB.",
        error_messages={"required": "Choose a file."},
        widget=DirectUploadInput(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_file(self) -> "UploadedFile[Any]":
        """Refuse what is not a table; keep the table's profile.

        The type decides what a browser makes of the file later: a page among the data would be shown, and run.
        """
        file: UploadedFile[Any] = self.cleaned_data["file"]
        file.content_type = "text/csv"  # whatever the browser called it
        try:
            self.profile: dict[str, Any] = profile_csv(cast("IO[bytes]", file.file))
        except NotTabularError as error:
            raise forms.ValidationError(str(error)) from error
        file.seek(0)
        return file


class DescribeForm(forms.Form):
    """What the data are."""

    summary = forms.CharField(
        max_length=1200,
        help_text="What was measured, where, when, and by which method.",
        error_messages={"required": "Say what the data are."},
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    keywords = forms.CharField(
        max_length=200,
        help_text="Separated by commas, for example: penguins, body mass",
        error_messages={"required": _NO_KEYWORD},
    )
    licence = forms.ChoiceField(choices=[(name, name) for name in LICENCES])

    def clean_keywords(self) -> list[str]:
        """The keywords in lower case, each once, in the order given; at least one."""
        words = (word.strip().lower() for word in self.cleaned_data["keywords"].split(","))
        keywords = list(dict.fromkeys(word for word in words if word))
        if not keywords:
            raise forms.ValidationError(_NO_KEYWORD)
        return keywords
