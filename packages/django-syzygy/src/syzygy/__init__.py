"""Django migrations that know about deployments."""
