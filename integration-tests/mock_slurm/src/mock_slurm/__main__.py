"""`python -m mock_slurm serve`: the controller in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .config import ConfigurationError, load_config
from .controller import Controller
from .install import install
from .service import Service
from .statefolder import StateFolderInUseError, claimed


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; its exit code."""
    options = _arguments().parse_args(argv)
    if options.command == "install":
        sys.stdout.write(f"{install(options.folder)}\n")
        return 0
    try:
        with claimed(options.state):
            return asyncio.run(_serve(options))
    except (ConfigurationError, StateFolderInUseError) as error:
        sys.stderr.write(f"mock_slurm: error: {error}\n")
        return 2


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mock_slurm", description="A Slurm for tests: real commands, real job processes.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the controller in the foreground")
    serve.add_argument(
        "--state", type=Path, required=True, help="folder for jobs, socket, log; a restart goes on with it"
    )
    serve.add_argument("--config", type=Path, help="TOML or JSON over the default cluster")
    serve.add_argument("--port", type=int, help="listen on 127.0.0.1 too (0 = any free port)")
    serve.add_argument("--rest-port", type=int, help="be slurmrestd on 127.0.0.1 too (0 = any free port)")
    serve.add_argument(
        "--socket-mode", type=lambda text: int(text, 8), default=0o600, help="octal; 666 lets every user in"
    )
    serve.add_argument("--end-jobs", action="store_true", help="end the jobs when stopped; otherwise they run on")
    write = commands.add_parser("install", help="write the commands into a folder")
    write.add_argument("folder", type=Path)
    return parser


async def _serve(options: argparse.Namespace) -> int:
    state: Path = options.state
    described = state.absolute() / "socket"  # noqa: ASYNC240 - before anybody waits
    bin_dir = install(state / "bin")
    controller = Controller(load_config(options.config), state, bin_dir)
    service = Service(controller, state)
    service.end_jobs = options.end_jobs
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stopping.set)
    controller.recover()
    address = await service.open(options.port, socket_mode=options.socket_mode)
    rest = None if options.rest_port is None else f"http://{await service.open_rest(options.rest_port)}"
    sys.stdout.write(f"{' '.join(filter(None, ['mock_slurm:', str(described), address, rest]))}\n")
    sys.stdout.flush()
    scheduling = asyncio.create_task(controller.run())
    stopping = asyncio.create_task(service.stopping.wait())
    await asyncio.wait({scheduling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    service.close()
    if scheduling.done():
        # A scheduler that died takes the controller down with its traceback: tests must not wait for it in vain.
        scheduling.result()
    scheduling.cancel()
    if service.end_jobs:
        await controller.end_everything()
    controller.journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
