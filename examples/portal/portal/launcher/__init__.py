"""Starts the portal and its services on this machine, and stops them."""
