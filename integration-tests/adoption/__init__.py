"""Small projects that move from an upstream package to ours and back, with their data."""
