"""Schema changes that PostgreSQL can make while it is being written to."""
