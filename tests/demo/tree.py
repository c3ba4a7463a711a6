"""Shows the sealed cases as a tree: why, by whom, of what, what was asked for and what came of it."""

from demo import screen
from demo.cases import Case, name_of, outcomes
from demo.watch import words


def show(cases: list[Case]) -> None:
    before: dict[str, Case] = {}
    for case in cases:
        screen.line()
        screen.line("   " + case.id, "bold")
        trigger, target = case.trigger, case.target
        _branch("why", f"{case.event}, {trigger['severity']}, ATT&CK {trigger['technique']}")
        _branch("who", f"{screen.clean(trigger['principal'])} from {screen.clean(trigger['source_address'])}")
        _branch("when", f"{trigger['occurred_at']}, sealed {case.manifests[0]['sealed_at'][11:23]}")
        _branch("target", f"{target['kind']} {screen.clean(target['name'])} in {target['account']}, {target['region']}")
        name = f"{target['kind']} {target['name']}"
        _evidence(case, before.get(name))
        _branch("findings", "; ".join(f"{finding['severity']}: {screen.clean(finding['statement'])}"
                                      for finding in case.manifests[0]["findings"]) or "none")
        for entry in case.custody:
            _branch("custody", f"{entry['occurred_at'][11:23]} {words(entry)}")
        for manifest in case.manifests:
            if manifest["sequence"] and manifest["acquisitions"]:
                _branch(f"addendum {manifest['sequence']}", f"{outcomes(manifest['acquisitions'])}; "
                        f"{screen.amount(len(manifest['findings']), 'finding')}")
        _branch("signed", f"{screen.amount(len(case.manifests), 'manifest')}, ECDSA P-256, key {case.key_id[:16]}…", "└")
        before[name] = case


def _evidence(case: Case, before: Case | None) -> None:
    _branch("evidence", outcomes(case.acquisitions))
    shown = case.acquisitions
    if before:
        known = {name_of(a["request"]): before.substance(a) for a in before.acquisitions}
        shown = [a for a in case.acquisitions if known.get(name_of(a["request"])) != case.substance(a)]
    for acquisition in shown:
        outcome = acquisition["result"]["outcome"]
        text = f"{screen.clean(name_of(acquisition['request'])):<38} "
        text += _exhibits(acquisition) if acquisition["exhibits"] else screen.paint(outcome, "dim")
        if acquisition["exhibits"] and outcome != "acquired":
            text += f", {outcome}"
        screen.line(f"   {screen.paint('│', 'dim')}            {text}")
    if before:
        same = len(case.acquisitions) - len(shown)
        screen.line(f"   {screen.paint('│', 'dim')}            "
                    + screen.paint(f"and {same} more, the same as in the case before", "dim"))


def _exhibits(acquisition: dict) -> str:
    """The sizes of the answer and, after a plus, of the bytes that were downloaded."""
    kept = sorted(acquisition["exhibits"], key=lambda exhibit: exhibit["key"].startswith("content/"))
    return " + ".join(screen.size(exhibit["size_bytes"]) + (
        f" {exhibit['sha256'][:8]}" if exhibit["key"].startswith("content/") else "") for exhibit in kept)


def _branch(name: str, text: str, knot: str = "├") -> None:
    lines = screen.wrapped(text, screen.WIDTH - 15)
    screen.line(f"   {screen.paint(knot, 'dim')} {name:<10} {lines[0]}")
    for more in lines[1:]:
        screen.line(f"   {screen.paint('│' if knot == '├' else ' ', 'dim')} {'':<10} {more}")
