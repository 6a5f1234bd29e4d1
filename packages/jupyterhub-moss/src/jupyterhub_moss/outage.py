"""The banner on the hub's pages while Slurm does not answer."""

import logging
from collections.abc import MutableMapping
from typing import Any

_CONFIGURED = "jupyterhub_moss_configured_announcement"
# the hub prints announcements as they are: nothing that comes from outside may be in this text
_BANNER = (
    "The cluster's scheduler does not answer at the moment. Running servers are kept, and starting and stopping "
    "them goes on as soon as it answers again."
)


def announce(settings: MutableMapping[str, Any], log: logging.Logger, *, outage: bool) -> None:
    """Show the banner during an outage, and take it away after it.

    `settings` are the hub's; an announcement that the administrator configured stands above the banner.
    """
    variables = settings.get("template_vars")
    if variables is None:
        return
    shown = _CONFIGURED in settings
    if outage and not shown:
        configured = settings[_CONFIGURED] = variables.get("announcement")
        variables["announcement"] = f"{configured}<br>{_BANNER}" if configured else _BANNER
        log.error("Slurm does not answer; running servers are kept, and it is asked again less and less often")
    elif not outage and shown:
        variables["announcement"] = settings.pop(_CONFIGURED)
        log.info("Slurm answers again")
