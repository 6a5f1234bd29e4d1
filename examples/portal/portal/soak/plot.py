"""The soak as a picture: requests and failures by second, with the faults behind them."""

from collections import Counter
from pathlib import Path

from matplotlib.figure import Figure

from portal.soak.record import Record


def draw(record: Record, path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    ends = [*(one.ended for one in record.requests), *(one.ended for one in record.faults)]
    seconds = range(int(max(ends, default=0.0)) + 2)
    for failed, label, colour in ((False, "answered", "#0d5a68"), (True, "failed", "#9c1f1f")):
        counts = Counter(int(one.ended) for one in record.requests if bool(one.failure) == failed)
        axes.step(seconds, [counts[second] for second in seconds], where="post", label=label, color=colour)
    for fault in record.faults:
        axes.axvspan(fault.began, fault.ended, color="#7a4b00", alpha=0.15, linewidth=0)
        axes.text(fault.began, axes.get_ylim()[1], fault.what, rotation=90, va="top", ha="right", fontsize=7)
    axes.set(xlabel="seconds", ylabel="requests a second", xlim=(0, seconds[-1]), ylim=(0, None))
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=120)
