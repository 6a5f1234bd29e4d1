"""A test does what the browser does: it asks where to send the file, sends it, and submits the token."""

import html
import json
import re

import urllib3
from django.contrib.auth.models import User
from django.test import TestCase

from films.models import Film


class UploadTests(TestCase):
    def setUp(self):
        self.client.force_login(User.objects.create(username="ada"))

    def begin(self, name, size):
        page = self.client.get("/").content.decode()
        told = json.loads(html.unescape(re.search('data-direct-upload="(.*?)"', page)[1]))
        asked = {"permit": told["permit"], "name": name, "size": size}
        return self.client.post(told["addresses"]["start"], asked, content_type="application/json")

    def test_a_film_is_saved_under_its_own_name(self):
        begun = self.begin("the-kid.mp4", 4).json()
        urllib3.request("POST", begun["url"], fields={**begun["fields"], "file": ("file", b"film")})
        answer = self.client.post("/", {"title": "The Kid", "file-upload": begun["token"]})
        self.assertRedirects(answer, "/", fetch_redirect_response=False)
        self.assertEqual(Film.objects.get().file.read(), b"film")

    def test_only_films_are_taken(self):
        self.assertEqual(self.begin("notes.txt", 4).status_code, 400)
