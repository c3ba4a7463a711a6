"""The story, top-down: a Worker, its evidence while it is good, an attack with a leaked token, and what becomes of that."""

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from clouds.cloudflare.owner import Owner
from clouds.desk import PROGRAM, READING, TRACING, Desk, Said
from clouds.process import Up, up
from demo import Unexpected, screen
from demo.cases import Case, read_all
from demo_clouds import by_hand, cases
from demo_clouds.cloudflare import attacker, promises, victim

LINES_AT_MOST = 90


@dataclass
class Scene:
    """Everything that the promises are held against."""

    account: Up
    responder: Owner
    thief: Owner
    desk: Desk
    good: victim.Victim
    said: list[Said] = field(default_factory=list)
    bad_version: str = ""
    violations: list[dict] = field(default_factory=list)

    @property
    def target(self) -> str:
        return f"cloudflare://{self.account.owner.account}/{self.account.script}"

    def types(self, *words: str) -> Said:
        """A command as the responder types it; what it says is kept, to be searched for what it must not say."""
        shown = " ".join(f"'{word}'".replace(" ", screen.NO_BREAK) if " " in word else word for word in ("coldcase", *words))
        screen.shell(" \\\n  ".join(screen.wrapped(shown, screen.WIDTH - 9)))
        said = self.desk.coldcase(*words)
        self.said.append(said)
        return said


def main() -> int:
    began = time.monotonic()
    screen.title("coldcase: a Worker is tampered with, and the evidence is kept",
                 "Cloudflare's API is played on this machine for the next minute, and between it and everybody stands Prism, which holds "
                 "every request and every reply to the types of Cloudflare's own SDK. Where something does not happen as promised, the "
                 "demo fails.")
    if not PROGRAM.exists():
        raise Unexpected(f"there is no {PROGRAM}; `make build` makes it")
    if missing := [program for program in ("bash", "node", "openssl", "sha256sum") if not shutil.which(program)]:
        raise Unexpected(f"missing on this machine: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="coldcase-demo-") as folder:
        good = tell(Path(folder))
    screen.line()
    screen.line(f"   The account has ended and nothing of it is left. {time.monotonic() - began:.0f} s in all.")
    return 0 if good else 1


def tell(folder: Path) -> bool:
    with up("--checked") as account:
        scene = a_worker(account, folder)
        before = preserved_while_good(scene)
        the_known_good(scene)
        the_attack(scene)
        after = the_answer(scene)
        what_was_changed(scene)
        what_happened_around_it(scene)
        sound = verified(scene, after, folder)
        taken_along(scene)
        scene.violations = account.owner.page("GET", "violations")
        kept = [promises.each_artifact_has_its_outcome(scene, [before, after]),
                promises.both_codes_are_there(scene, after),
                promises.the_difference_is_told(scene),
                *promises.each_step_is_found(after),
                promises.the_audit_log_names_who(scene, after),
                promises.what_it_did_is_there(scene, after),
                promises.tracing_is_on_and_was_last(scene, after),
                promises.nothing_else_was_changed(scene),
                promises.the_values_are_nowhere_else(scene, folder),
                promises.the_secrets_are_nowhere(scene, folder),
                (sound, "Both cases verify, the last one by hand as well, and a changed byte is noticed."),
                promises.the_types_were_kept(scene)]
    screen.heading(10, "What was promised")
    for good, text in kept:
        screen.verdict(good, text)
    if account.code != len(scene.violations[:1]):
        raise Unexpected(f"the stand-in ended with {account.code}: {account.said}")
    return all(good for good, _ in kept)


def a_worker(account: Up, folder: Path) -> Scene:
    screen.heading(1, "An account, and a Worker in it")
    owner = account.owner
    good = victim.create(owner, account.script)
    made = owner.page("POST", "tokens", {"name": "responder", "groups": [*READING, TRACING], "email": "responder@example.com"})
    responder = Owner(owner.endpoint, made["token"], owner.account)
    screen.fact("account", f"{owner.account}, on {owner.endpoint.removeprefix('http://')}")
    screen.fact("Worker", f"{account.script}: index.js and money.js; version {good.version} answers every request")
    screen.fact("bindings", f"{victim.SECRET} is a secret, {victim.VALUE} and {victim.DOCUMENT} are values, marked to be looked for; a "
                            "namespace of invoices")
    screen.fact("route", "billing.example.com/*")
    screen.fact("stored", "its logs and invocations; no traces")
    screen.fact("responder", f"has a token for: {', '.join(READING)}; and for tracing {TRACING}")
    return Scene(account, responder, attacker.with_leaked_token(owner), Desk(folder / "desk", owner.endpoint, responder.token), good)


def preserved_while_good(scene: Scene) -> Case:
    screen.heading(2, "Preserved while it is good")
    scene.types("respond", scene.target, "--vault", "evidence", "--no-tracing", "--reason", "release 41 is out")
    return _sealed(scene)


def the_known_good(scene: Scene) -> None:
    screen.heading(3, "The known good")
    accepted = scene.types("baseline", "--accept", "latest", "--reason", "release 41", "--yes", "--vault", "evidence")
    _print(accepted.out or accepted.err)


def the_attack(scene: Scene) -> None:
    screen.heading(4, "A token leaks")
    screen.fact("token", f"{attacker.TOKEN} deploys the Worker. It is in somebody else's hands now, at {attacker.ADDRESS}.")
    attack = attacker.Attack(scene.thief, scene.account.script, scene.good)
    for step in attack.steps():
        screen.step(step.name, step.why)
        screen.fact("attacker", step.call, "red")
        step.do()
    scene.bad_version = attack.version
    screen.step("The Worker is called", "Nine times by customers, and once by somebody who knows the path.")
    calls = {"script": scene.account.script, "lines": ["invoice 2026-1041"]}
    scene.account.owner.page("POST", "calls", calls | {"times": 9, "version_id": scene.good.version})
    scene.account.owner.page("POST", "calls", {"script": scene.account.script, "version_id": scene.bad_version,
                                               "url": "https://accounts.example.com/healthz"})
    screen.fact("stored", "ten invocations and the lines of nine")


def the_answer(scene: Scene) -> Case:
    screen.heading(5, "Somebody notices, and asks")
    scene.types("respond", scene.target, "--vault", "evidence", "--reason", "customers see strange requests")
    case = _sealed(scene)
    for entry in case.custody:
        if entry["action"].startswith("tracing"):
            told = " → ".join(str(entry[name]) for name in ("mode_before", "mode_after", "why") if name in entry)
            screen.fact("tracing", f"{entry['occurred_at'][11:23]} {entry['action']}: {screen.clean(told).replace(',', ', ')}")
    return case


def what_was_changed(scene: Scene) -> None:
    screen.heading(6, "What was changed, and what is wrong with it")
    for command in ("diff", "findings"):
        _print(scene.types(command, "latest", "--vault", "evidence").out)
        screen.line()


def what_happened_around_it(scene: Scene) -> None:
    screen.heading(7, "What happened around it")
    for command in (("timeline", "latest"), ("logs", "latest")):
        scene.types(*command, "--vault", "evidence")
        _print(scene.desk.on_terminal(*command, "--vault", "evidence", NO_COLOR="1"))
        screen.line()


def verified(scene: Scene, case: Case, folder: Path) -> bool:
    screen.heading(8, "Verified, with coldcase and without it")
    said = scene.types("verify", "--vault", "evidence")
    _print(said.out)
    screen.line()
    screen.paragraph("By hand, on a copy. coldcase.pem is the public half of the responder's own key; what follows needs no network:")
    screen.line()
    return by_hand.check(scene.desk, case, folder / "by-hand") and said.code == 0


def taken_along(scene: Scene) -> None:
    screen.heading(9, "Taken along")
    for words in (("export", "latest", "--to", "bag"), ("open", "latest", "--print-path")):
        said = scene.types(*words, "--vault", "evidence")
        _print(said.out)
        if said.code:
            raise Unexpected(f"coldcase {words[0]} ended with {said.code}: {said.err}")


def _sealed(scene: Scene) -> Case:
    """The case that the last command made, shown."""
    found = read_all(scene.desk.vault) if (scene.desk.vault / "cases").exists() else []
    said = scene.said[-1]
    if said.code not in (0, 1) or not found:
        raise Unexpected(f"coldcase respond ended with {said.code}: {said.err}")
    cases.show(found[-1])
    screen.fact("took", f"{said.seconds:.0f} s; half a second between two requests, of the 1,200 in five minutes that Cloudflare allows")
    return found[-1]


def _print(text: str) -> None:
    lines = text.strip("\n").splitlines()
    for line in lines[:LINES_AT_MOST]:
        screen.line(("   " + line).rstrip())
    if (more := len(lines) - LINES_AT_MOST) > 0:
        screen.line(f"   … and {screen.amount(more, 'line')} more", "dim")
