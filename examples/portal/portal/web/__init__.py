"""What the front door and the catalogue share: templates and response headers."""
