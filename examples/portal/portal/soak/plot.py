"""The soak as a picture: requests and failures by second, and below them a lane for each kind of fault."""

from collections import Counter
from pathlib import Path

from matplotlib.figure import Figure

from portal.soak.record import Record

_FAULT = "#7a4b00"


def draw(record: Record, path: Path) -> None:
    """Write a PNG."""
    lanes = list(dict.fromkeys(fault.what for fault in record.faults))
    figure = Figure(figsize=(11, 4 + 0.25 * len(lanes)), layout="constrained")
    requests, faults = figure.subplots(2, sharex=True, height_ratios=(4, max(0.25 * len(lanes), 0.1)))
    ends = [*(one.ended for one in record.requests), *(one.ended for one in record.faults)]
    seconds = range(int(max(ends, default=0.0)) + 2)
    for failed, label, colour in ((False, "answered", "#0d5a68"), (True, "failed", "#9c1f1f")):
        counts = Counter(int(one.ended) for one in record.requests if bool(one.failure) == failed)
        requests.step(seconds, [counts[second] for second in seconds], where="post", label=label, color=colour)
    for fault in record.faults:
        requests.axvspan(fault.began, fault.ended, color=_FAULT, alpha=0.15, linewidth=0)
        # What is over within a second is still to be seen.
        width = max(fault.ended - fault.began, seconds[-1] / 400)
        faults.broken_barh([(fault.began, width)], (lanes.index(fault.what) - 0.35, 0.7), color=_FAULT)
    requests.set(ylabel="requests a second", xlim=(0, seconds[-1]), ylim=(0, None))
    requests.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    faults.set(xlabel="seconds", yticks=range(len(lanes)), yticklabels=[lane.replace("_", " ") for lane in lanes])
    faults.invert_yaxis()
    figure.savefig(path, dpi=120)
