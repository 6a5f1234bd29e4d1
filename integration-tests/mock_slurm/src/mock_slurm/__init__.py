"""A Slurm for tests: real commands, real job processes, no cluster."""
