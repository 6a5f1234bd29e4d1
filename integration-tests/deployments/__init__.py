"""The deployment experiment: two releases of a Django project on one PostgreSQL database, while it is migrated."""
