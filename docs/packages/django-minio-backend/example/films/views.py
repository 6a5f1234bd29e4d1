from django.views.generic import CreateView

from films.forms import FilmForm
from films.models import Film


class AddFilm(CreateView):
    model = Film
    form_class = FilmForm
    template_name = "films/add.html"
    success_url = "/"
