"""The notebook hub: JupyterHub on Slurm, entered through the front door."""
