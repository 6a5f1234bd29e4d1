"""Where a quorum is kept: a cache, or PostgreSQL."""
