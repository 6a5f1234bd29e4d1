"""The eventsourcing library on the Django ORM."""
