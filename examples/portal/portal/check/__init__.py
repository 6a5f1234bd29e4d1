"""A scripted visit to the running portal over HTTP, with a line for each step."""
