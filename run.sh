cd /tmp/mine/packages/starsessions && PYTHONPATH=/tmp/mine/packages/starsessions/src /work/main/.venv/bin/python -X dev -m pytest -q -p no:cacheprovider "$@"
