"""Where a quorum is kept: a cache, PostgreSQL, or another database."""
