"""What is printed once the portal is up."""

import shlex

from rich.console import Console
from rich.table import Table

from portal.launcher.stack import Stack


def print_table(stack: Stack, passwords: dict[str, str], seconds: float) -> None:
    """What runs where, how to sign in, where the logs are."""
    console = Console(highlight=False)
    console.print()
    console.print(f"[bold]The portal is up[/bold] after {seconds:.1f} s: [bold]{stack.addresses.public_url}[/bold]")
    console.print(_processes(stack))
    console.print(_people(passwords))
    console.print(f"Logs: {stack.logs}", soft_wrap=True, markup=False)
    manage = shlex.join(stack.manage_command())
    variables = shlex.quote(str(stack.shell_environment))
    console.print(f"Django's commands: set -a; . {variables}; set +a; {manage}", soft_wrap=True, markup=False)
    console.print("Ctrl-C stops everything.")


def _processes(stack: Stack) -> Table:
    table = Table("part", "what and where", "process", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name, running in stack.running.items():
        table.add_row(name, running.part.where, str(running.process.pid))
    for name, service in stack.services.items():
        table.add_row(name, service.line.partition(": ")[2], "")
    return table


def _people(passwords: dict[str, str]) -> Table | str:
    if not passwords:
        return "Sign in as before; --new-passwords gives ada and grace new passwords."
    table = Table("sign in as", "password (shown this once)", "may", box=None, header_style="dim", padding=(0, 2, 0, 0))
    duties = {"ada": "register and describe data sets", "grace": "also approve them"}
    for name, password in passwords.items():
        table.add_row(name, password, duties[name])
    return table
