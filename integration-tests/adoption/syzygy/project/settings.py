"""A shop in the database that SHOP_DATABASE describes."""

import json
import os

SECRET_KEY = "for this project only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["syzygy", "shop"]
DATABASES = {"default": json.loads(os.environ["SHOP_DATABASE"])}
