"""JupyterHub on Slurm with a spawn page people understand."""
