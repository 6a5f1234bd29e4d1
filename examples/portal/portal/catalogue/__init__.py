"""The catalogue: a Django project on PostgreSQL and S3, reached through the front door."""
