from django.core.files.base import ContentFile
from django.core.management import BaseCommand

from papers.models import Paper


class Command(BaseCommand):
    help = "File papers: of each title a contract, a picture and a note, whose contents name it."

    def add_arguments(self, parser):
        parser.add_argument("titles", nargs="+")

    def handle(self, *, titles, **options):
        for title in titles:
            paper = Paper(title=title)
            for field in ("contract", "picture", "note"):
                content = ContentFile(f"{field} of {title}".encode())
                getattr(paper, field).save(f"{title} & Söhne.txt", content, save=False)
            paper.save()
