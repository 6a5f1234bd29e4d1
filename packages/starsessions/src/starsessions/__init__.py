"""Server-side sessions for Starlette and FastAPI."""
