import json
import urllib.error
import urllib.request

from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import BaseCommand
from django.utils.encoding import iri_to_uri

from papers.models import Paper


class Command(BaseCommand):
    help = "Print of each file its name, its content, and what its link gives with and without a signature."

    def handle(self, **options):
        papers = {
            paper.title: {field: described(getattr(paper, field)) for field in ("contract", "picture", "note")}
            for paper in Paper.objects.order_by("title")
        }
        style = fetched(staticfiles_storage.url("papers/style.css"))
        self.stdout.write(json.dumps({"papers": papers, "style": style}))


def described(file):
    with file.open() as stored:
        content = stored.read().decode()
    return {
        "name": file.name,
        "content": content,
        "link": fetched(file.url),
        "anonymously": fetched(file.url.partition("?")[0]),
    }


def fetched(address):
    try:
        with urllib.request.urlopen(iri_to_uri(address), timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
