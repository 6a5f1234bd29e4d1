"""`makemigrations` and `migrate`."""
