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

# The server tells the hub its port once, as it starts: not while the hub restarts.
hub_answers() {
    local url="${JUPYTERHUB_API_URL:-}" address host port said
    # a hub behind a proxy is not seen from here
    [ -n "$url" ] && [ -z "${http_proxy:-}${https_proxy:-}${HTTP_PROXY:-}${HTTPS_PROXY:-}" ] || return 0
    address="${url#*://}" && address="${address%%/*}" && host="${address%:*}" && port="${address##*:}"
    [ "$host" != "$address" ] || { [[ $url == https:* ]] && port=443 || port=80; }
    host="${host#[}" && host="${host%]}"
    said="$(LC_ALL=C timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>&1)" || true
    [[ $said != *refused* && $said != *unreachable* ]]
}
await_hub() {
    for _ in {1..300}; do
        hub_answers && return
        sleep 2
    done
}

{{prologue}}
await_hub
began=$SECONDS
until {% if srun %}{{srun}} {% endif %}{{cmd}}; do
    status=$?
    if (( SECONDS - began > 60 )) || hub_answers; then exit $status; fi
    await_hub
done
echo "The Jupyter server ended gracefully"
{{epilogue}}
