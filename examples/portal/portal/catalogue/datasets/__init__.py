"""Data sets: their curation as events, their files in buckets, and a search projection."""
