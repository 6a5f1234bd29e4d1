"""A small research-data portal: front door, catalogue and notebooks, built on the five packages."""
