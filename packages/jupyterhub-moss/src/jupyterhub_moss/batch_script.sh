#!/bin/bash
#SBATCH --job-name=spawner-jupyterhub
#SBATCH --chdir={{homedir}}
#SBATCH --export={{keepvars}}
#SBATCH --get-user-env
{% if output %}#SBATCH --output={% if not output.startswith("/") %}{{homedir}}/{% endif %}{{output}}
{% endif %}{% if partition %}#SBATCH --partition={{partition}}
{% endif %}{% if runtime %}#SBATCH --time={{runtime}}
{% endif %}{% if memory %}#SBATCH --mem={{memory}}
{% endif %}{% if gres %}#SBATCH --gres={{gres}}
{% endif %}{% if nprocs %}#SBATCH --cpus-per-task={{nprocs}}
{% endif %}{% if reservation %}#SBATCH --reservation={{reservation}}
{% endif %}{% if options %}#SBATCH {{options}}
{% endif %}
set -euo pipefail

trap 'echo "The job was asked to end (SIGTERM)"' TERM
{{prologue}}
{% if srun %}{{srun}} {% endif %}{{cmd}}
echo "The Jupyter server ended gracefully"
{{epilogue}}
