"""How a sealed case is shown here: what was asked for, what came of each, and what was done and when."""

from demo import screen
from demo.cases import Case, name_of, outcomes

NAMES = 36  # columns
STYLES = {"acquired": "green", "absent": "dim", "partial": "yellow", "denied": "red", "failed": "red"}


def acquisitions(case: Case) -> list[dict]:
    """Of the case and of its addenda, with what the examinations were asked for left out: those are no artifacts."""
    return [acquisition for manifest in case.manifests for acquisition in manifest["acquisitions"]
            if acquisition["request"]["artifact"] != "examination"]


def show(case: Case) -> None:
    """Each artifact with its outcome: how much there is of it, or why there is none."""
    screen.fact("case", case.id, "bold")
    screen.fact("outcomes", outcomes(acquisitions(case)))
    for acquisition in acquisitions(case):
        result, kept = acquisition["result"], acquisition["exhibits"]
        name = screen.clean(name_of(acquisition["request"]))
        name = name if len(name) <= NAMES else name[:NAMES - 1] + "…"
        outcome = screen.paint(f"{result['outcome']:<9}", STYLES.get(result["outcome"]))
        about = " + ".join(screen.size(exhibit["size_bytes"]) for exhibit in kept) or screen.clean(result.get("why", ""))
        screen.line(f"   {name:<{NAMES}}  {outcome}  " + _cut(about, screen.WIDTH - NAMES - 16))


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[:columns - 1] + "…"
