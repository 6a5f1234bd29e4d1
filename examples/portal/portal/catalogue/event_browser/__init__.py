"""The event browser: Django's admin with the pages of `eventsourcing_django`, for curators; it has no accounts."""
