"""The front door: sign-in, session, status, and the way to the catalogue and the notebooks."""
