"""Finds or starts the services that the tests and the portal use."""
