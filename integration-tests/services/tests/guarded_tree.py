"""Run by test_guard.py: a tree of guarded processes of the kinds that get away from their parents.

``guarded_tree.py owner [end-with-parent]`` makes a guard with a tree below it, prints one line of JSON
with the process ids of all involved, and waits until it is ended.
``guarded_tree.py shell`` starts ``owner`` as its child, as nox starts pytest.
"""

import json
import os
import subprocess
import sys
import threading

from pentad_services.guard import ProcessGuard

# A shell with a child; one that left its session and parent and forgot its environment, as a job
# of a batch system does; one that ignores SIGTERM; and one that keeps forking.
TREE = """
sleep 1000 &
setsid sh -c 'setsid env -i PENTAD_TREE="$PENTAD_TREE" sleep 1001 & exit 0'
sh -c 'trap "" TERM; while :; do sleep 1002; done' &
(while :; do sh -c 'sleep 0.05'; done) &
echo ready
wait
"""


def owner(end_with_parent):
    with ProcessGuard(end_with_parent=end_with_parent) as guard:
        process = guard.spawn(["sh", "-c", TREE], stdout=subprocess.PIPE, grace=0.2)
        assert process.stdout.readline() == b"ready\n"
        other = guard.spawn(["sleep", "1003"], grace=0.2)
        watcher = guard._watcher.pid
        with open(f"/proc/{watcher}/task/{watcher}/children") as children:
            keeper = int(children.read().split()[0])
        told = {"owner": os.getpid(), "watcher": watcher, "keeper": keeper, "child": process.pid, "other": other.pid}
        sys.stdout.write(json.dumps({**told, "folder": str(guard.folder)}) + "\n")
        sys.stdout.flush()
        if sys.stdin.readline():  # a line: leave in the ordinary way; end of file: wait for the kill
            return
        threading.Event().wait()


if sys.argv[1] == "shell":
    subprocess.run([sys.executable, __file__, "owner", "end-with-parent"], check=False)
else:
    owner("end-with-parent" in sys.argv)
