"""`prepare_catalogue` and `follow`."""
