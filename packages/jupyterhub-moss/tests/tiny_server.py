"""A server that reports its port as batchspawner-singleuser does, and then answers every request.

A file `wait-report-USER` or `wait-answer-USER` in its home holds it up before that step, until the file is gone.
"""

import json
import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

USER = os.environ["JUPYTERHUB_USER"]
HOME = Path(os.environ["HOME"])


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def held_up(step):
    (HOME / f"reached-{step}-{USER}").touch()
    while (HOME / f"wait-{step}-{USER}").exists():
        time.sleep(0.05)


def report(port):
    request = urllib.request.Request(
        f"{os.environ['JUPYTERHUB_API_URL']}/batchspawner",
        json.dumps({"port": port}).encode(),
        {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300):
        pass


sys.stderr.write("a line of the server's output\n")
if (HOME / f"die-{USER}").exists():
    sys.stderr.write("the kernel of the matter is missing\n")
    sys.exit(3)
server = HTTPServer(("127.0.0.1", 0), Answer)
held_up("report")
report(server.server_port)
held_up("answer")
server.serve_forever()
