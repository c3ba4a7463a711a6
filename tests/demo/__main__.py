"""The story, top-down: a function, coldcase, an attack, what happened around it, and what becomes of who wants it gone."""

import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import (Unexpected, around, attacker, cases, changed, investigated, promises, refusals, screen, stolen, trail, tree, vault,
                  verify, victim)
from demo.investigation import Investigation, executions
from demo.local_account import ROOT, STACK, LocalAccount, Person
from demo.watch import Watch, span

# Of template.yaml, for whom minutes and days are too long. CloudTrail takes its time on AWS; the account does not.
WAITS = {"SettleSeconds": "12", "LateSeconds": "6", "WindowSeconds": "3600", "BaselineSeconds": "86400"}


def main() -> int:
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    screen.title("coldcase: a function is attacked, and the evidence is kept",
                 "An AWS account runs on this machine for the next two minutes. Every line below is a call that was made or "
                 "an object that is there; where something does not happen as promised, the demo fails.")
    for function in ("respond", "investigate", "examine", "baseline"):
        if not (ROOT / f"target/lambda/{function}/bootstrap").exists():
            raise Unexpected(f"there is no function {function} to deploy; `make build` makes it")
    if missing := [program for program in ("bash", "openssl", "sha256sum") if not shutil.which(program)]:
        raise Unexpected(f"missing on this machine: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="coldcase-demo-") as folder:
        good = tell(Path(folder))
    screen.line()
    screen.line(f"   The account has ended and nothing of it is left. {time.monotonic() - began:.0f} s in all.")
    return 0 if good else 1


def tell(folder: Path) -> bool:
    with account_in(folder) as account:
        billing = a_function(account)
        stack, watch = coldcase_is_deployed(account)
        thief = a_key_leaks(account)
        first, *rest = attacker.steps(account, thief, billing.layer_arn)
        answered = the_attack([first], watch)
        theft = the_theft(account, thief, billing)
        passes = what_happened_around_it(account, stack, answered, watch, folder / "investigated")
        answered |= the_attacker_goes_on(rest, watch)
        copy = vault.download(account.client("s3"), stack["BucketName"], folder / "evidence")
        sealed = cases.read_all(copy)
        the_sealed_cases(sealed, executions(account, stack))
        noticed = offline(account, stack, sealed, copy, folder)
        safe = against_the_evidence(account, stack, sealed, watch)
        answered["DeleteBucketPolicy"] = the_way_that_is_left(account, stack, watch)
        examined = what_was_changed(account, stack, sealed, folder / "examined")
        screen.heading(10, "What was promised")
        kept = [promises.each_attack_has_its_case(sealed, answered),
                promises.both_codes_are_there(account, sealed),
                promises.tracing_is_on_and_the_loop_closed(account, stack, sealed, answered),
                promises.the_attempt_was_told(answered),
                *passes.promises(account, theft),
                changed.the_change_is_readable(examined),
                changed.each_step_is_found(examined),
                changed.the_verdicts_name_who(examined),
                promises.the_secret_stayed_in_the_vault(account, stack, billing.secret, watch, copy, sealed),
                promises.the_stolen_keys_are_nowhere(account, stack, theft.role, watch, copy, sealed),
                (noticed, "Every case verifies with sha256sum and openssl alone, addendum by addendum, and a changed byte is "
                          "noticed."),
                (safe, "The administrator could not delete, overwrite, unlock or forge anything."),
                promises.the_way_that_is_left_is_watched(answered)]
        for good, text in kept:
            screen.verdict(good, text)
        return all(good for good, _ in kept)


@contextmanager
def account_in(folder: Path):
    screen.heading(1, "An account, and a function in it")
    with LocalAccount(folder) as account:
        screen.fact("account", f"{account.id}, {account.region}, on {account.endpoint.removeprefix('http://')}, IAM enforced")
        try:
            yield account
        except Exception:
            screen.line("\n".join(account.log.read_text(errors="replace").splitlines()[-20:]), "dim")
            raise


def a_function(account) -> victim.Victim:
    billing = victim.create(account)
    trail.record_reads(account, billing.bucket)
    past = trail.tell_the_past(account)
    screen.fact("function", f"{victim.NAME}, {victim.RUNTIME}; released as version 1, alias live")
    screen.fact("layer", billing.layer_arn.rpartition("layer:")[2])
    screen.fact("role", f"{victim.ROLE}: may write logs and traces, read the invoices and one parameter")
    screen.fact("secret", "DATABASE_PASSWORD in its environment, marked to be looked for")
    host, _, domain = billing.url.partition(".")
    screen.fact("url", f"{host[:16]}….{domain}")
    screen.fact("it answers", billing.answer)
    screen.fact("trail", f"{trail.NAME}: management events, and who reads the invoices")
    screen.fact("past", f"the account is new; that the function read its parameter in each of the {past} hours before is "
                        "written into the event history")
    return billing


def coldcase_is_deployed(account) -> tuple[dict, Watch]:
    screen.heading(2, "coldcase is deployed")
    parameters = WAITS | trail.parameters()
    overrides = " ".join(f"{name}={value}" for name, value in parameters.items())
    screen.shell(" \\\n".join([f"sam deploy --template-file template.yaml --stack-name {STACK}", *screen.wrapped(
        f"--parameter-overrides {overrides}", screen.WIDTH - 8)]))
    screen.line()
    began = time.monotonic()
    stack = account.deploy(parameters)
    resources = account.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    s3 = account.client("s3")
    lock = s3.get_object_lock_configuration(Bucket=stack["BucketName"])["ObjectLockConfiguration"]
    lock = lock["Rule"]["DefaultRetention"]
    config = account.client("lambda").get_function_configuration(FunctionName=stack["FunctionName"])
    rules = [item for item in resources if item["ResourceType"] == "AWS::Events::Rule"]
    screen.fact("deployed", f"{screen.amount(len(resources), 'resource')} in {time.monotonic() - began:.0f} s")
    screen.fact("responder", f"{stack['FunctionName']}, {config['MemorySize']} MB, woken by "
                             f"{screen.amount(len(rules), 'rule')}")
    screen.fact("afterwards", f"{stack['InvestigateFunctionName']} looks into the time around each case: "
                              f"{WAITS['SettleSeconds']} s after its seal (by default 15 minutes) and {WAITS['LateSeconds']} s "
                              "later (a day)")
    screen.fact("vault", f"{stack['BucketName']}: {lock['Mode']}, {lock['Days']} days")
    known = changed.baselines(account, stack, victim.NAME)
    screen.fact("known good", f"{screen.amount(known['records'], 'function')} recorded as they are, in {known['seconds']:.1f} s: "
                              "so that a change can be told from what was")
    screen.fact("key", "ECDSA P-256 in KMS; only the responder's role may sign")
    inbox = an_inbox(account)
    watch = Watch(account, stack, inbox["url"])
    screen.step("The owner subscribes to the alerts",
                "Even that is a change of coldcase's own parts, and answered as one.")
    started = time.time()
    account.client("sns").subscribe(TopicArn=stack["TopicArn"], Protocol="sqs", Endpoint=inbox["arn"])
    seen = watch.until_quiet("Subscribe", account.owner.name, cases=1, started=started)
    if not any("ALERT" in notice for notice in seen.notices):
        raise Unexpected("coldcase's own topic was changed, and nobody was alerted")
    return stack, watch


def an_inbox(account) -> dict:
    """A queue that the alerts are sent to, as an e-mail address would be."""
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="owner-inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": victim.policy(
        Principal={"Service": "sns.amazonaws.com"}, Action="sqs:SendMessage", Resource=arn)})
    return {"url": url, "arn": arn}


def a_key_leaks(account) -> Person:
    screen.heading(3, "A key leaks")
    thief = attacker.with_leaked_key(account)
    screen.fact("user", f"{attacker.USER} deploys the billing API. Its access key {thief.access_key_id} is in somebody "
                        f"else's hands now, at {attacker.ADDRESS}.")
    return thief


def the_attack(steps, watch) -> dict:
    """What coldcase did about each of the attacker's calls."""
    answered = {}
    for step in steps:
        screen.step(step.name, step.why)
        for call in step.calls:
            started = time.time()
            screen.fact("attacker", f"{call.name}: {call.about}", "red")
            attacker.make(call)
            answered[call.name] = watch.until_quiet(call.name, attacker.USER, int(call.opens_case), started)
    return answered


def the_attacker_goes_on(steps, watch) -> dict:
    screen.heading(5, "The attacker goes on")
    screen.paragraph("The role may do too little. But the leaked key may do more than overwrite code.")
    return the_attack(steps, watch)


@dataclass(frozen=True)
class Theft:
    """What was stolen, and what was done with it."""

    role: Person
    uses: list[stolen.Use]


def the_theft(account, thief, billing) -> Theft:
    screen.step("The keys of its role are stolen", "A function's credentials lie in its environment. The new code hands them "
                "out, and the attacker tries from outside what they are good for.")
    functions = account.client("lambda")
    screen.fact("customer", f"asks as ever: {victim.ask(functions, '2026-1041')['body']}")
    role = stolen.take(account, thief)
    screen.fact("attacker", f"asks with the word, gets {role.access_key_id} with secret key and session token", "red")
    uses = stolen.uses(account, role, billing.bucket)
    for use in uses:
        stolen.make(use)
    for allowed, what in ((True, "may"), (False, "may not")):
        names = Counter(use.name for use in uses if use.allowed is allowed)
        screen.fact(what, ", ".join(name + (f" ×{count}" if count > 1 else "") for name, count in names.items()), "red")
    screen.fact("customer", f"asks again: {victim.ask(functions, '2026-1042')['body']}")
    return Theft(role, uses)


def what_happened_around_it(account, stack, answered, watch, folder) -> "Around":
    screen.heading(4, "What happened around it")
    screen.paragraph("By itself, coldcase looks into the time around each case. It asks CloudTrail once a second, of the two "
                     "times that an account may; that is most of the time that follows.")
    screen.line()
    started, s3 = time.time(), account.client("s3")
    delivered = account.deliver_trail()
    if delivered["failed"]:
        raise Unexpected(f"the trail could not deliver: {delivered['failed']}")
    screen.fact("CloudTrail", f"{screen.amount(len(delivered['delivered']), 'log file')} and "
                              f"{screen.amount(len(delivered['digests']), 'digest')} delivered")
    case = answered["UpdateFunctionCode"].cases[0]
    investigation = Investigation(account, stack, case, watch, started)
    told = investigation.until_examined("first")
    late = trail.arrive_late(account, attacker.ADDRESS)
    first = cases.addendum(vault.download(s3, stack["BucketName"], folder, f"cases/{case}/"), case, "first")
    screen.step("The first addendum", f"As it lies in the bucket: {span(*first.window)}.")
    around.show(first)
    screen.step("A record comes late", "CloudTrail tells of some calls hours after they were made. One more of the stolen "
                "credentials' calls is put into its history now; the second pass has to find it, and nothing twice.")
    screen.fact("CloudTrail", f"{late['eventName']} at {late['eventTime'][11:19]} from {late['sourceIPAddress']}")
    account.deliver_trail()
    investigation.until_examined("second")
    second = cases.addendum(vault.download(s3, stack["BucketName"], folder, f"cases/{case}/"), case, "second")
    around.show_news(second, first)
    return Around(first, second, late, told)


@dataclass(frozen=True)
class Around:
    """What an investigation brought, and what it had to bring."""

    first: cases.Addendum
    second: cases.Addendum
    late: dict
    notices: list[str]

    def promises(self, account, theft: Theft) -> list[promises.Promise]:
        first = self.first
        kept = [investigated.the_logs_are_whole(account, first),
                investigated.the_trail_names_who(account, first, first.case.trigger),
                investigated.the_role_is_followed(account, first),
                investigated.the_theft_is_marked(first, theft.role, theft.uses),
                investigated.what_was_tried_is_marked(first, theft.uses),
                investigated.the_owner_was_told(self.notices),
                investigated.the_late_record_came_once(first, self.second, self.late)]
        if first.asked("traces"):
            kept.append(investigated.the_traces_are_there(first))
        if trail.parameters():
            kept.append(investigated.the_files_say_more(first, theft.uses))
        if first.asked("trail-integrity"):
            kept.append(investigated.the_trail_is_whole(first))
        return kept


def the_sealed_cases(sealed, investigations) -> None:
    screen.heading(6, "The sealed cases")
    screen.paragraph("Every artifact with the size of the answer that was kept; after a plus, the bytes themselves, kept "
                     "once under their digest. A later case of the same function lists what is different in it.")
    tree.show(sealed)
    states = Counter(execution["status"].lower() for execution in investigations)
    screen.line()
    screen.fact("looked into", f"of {screen.amount(len(investigations), 'investigation')}, one for each function's case, "
                + ", ".join(f"{count} {status}" for status, count in sorted(states.items(), reverse=True))
                + ". What is running ends with the account.")


def offline(account, stack, sealed, copy, folder) -> bool:
    screen.heading(7, "Verified without coldcase and without AWS")
    verify.fetch_public_key(account, stack, copy)
    screen.paragraph("The vault was downloaded, the public key fetched with kms:GetPublicKey into coldcase.pem. "
                     "What follows needs no network:")
    screen.line()
    shown = cases.of_event(sealed, "UpdateFunctionCode")
    verify.explain(shown)
    screen.line()
    verify.show_chain(shown)
    checked = [verify.check(case) for case in sealed]
    exhibits, signatures = (sum(column) for column in zip(*checked))
    screen.fact("verified", f"{screen.amount(len(sealed), 'case')}: {screen.amount(exhibits, 'digest')} and "
                            f"{screen.amount(signatures, 'signature')} hold", "green")
    changed = verify.tamper(shown, folder / "tampered")
    for what, noticed, said in changed:
        screen.fact("changed", f"{what}: {screen.clean(said) if noticed else 'NOT NOTICED'}", None if noticed else "red")
    return all(noticed for _, noticed, _ in changed)


def against_the_evidence(account, stack, sealed, watch) -> bool:
    screen.heading(8, "The administrator against the evidence")
    shown = cases.of_event(sealed, "UpdateFunctionCode")
    key = next(exhibit["key"] for exhibit in shown.exhibits if exhibit["key"].startswith("content/"))
    screen.paragraph(f"As {account.owner.name}, who may do everything, on the attacker's package {key[:16]}…:")
    screen.line()
    s3 = account.client("s3")
    before = vault.versions(s3, stack["BucketName"])
    started, told = time.time(), len(watch.notices)
    all_refused = True
    for attempt in refusals.tries(account, stack, key):
        error = refusals.refused(attempt)
        as_expected = error == attempt.expected
        all_refused &= as_expected
        verdict = (error or "allowed") + ("" if as_expected else f", expected {attempt.expected or 'to be allowed'}")
        screen.line(f"   {attempt.what:<48} " + screen.paint(verdict, "green" if as_expected else "red"))
    watch.until_quiet("ScheduleKeyDeletion", account.owner.name, cases=0, started=started, tell=False)
    after = vault.versions(s3, stack["BucketName"])
    # New are only coldcase's notes of these attempts, and what its investigations of the cases bring meanwhile.
    own = ("attempts/", *(f"{folder}/{case.id}/" for case in sealed for folder in ("cases", "windows", "examinations")))
    intact = all(was.stands(after.get(version)) for version, was in before.items()) and all(
        key.startswith(own) for key, _ in set(after) - set(before))
    screen.line()
    screen.fact("evidence", f"{screen.amount(len(before), 'object')}, each with its bytes, each as locked as before"
                if intact else "CHANGED", "green" if intact else "red")
    screen.fact("owner told", f"{screen.amount(len(watch.notices) - told, 'alert')} about these attempts")
    return all_refused and intact


def the_way_that_is_left(account, stack, watch):
    screen.step("The way that is left", "Under GOVERNANCE, who drops the bucket's policy first can bypass the locks "
                "afterwards; RetentionMode=COMPLIANCE closes that way too. It does not stay unseen:")
    screen.fact("as admin", "DeleteBucketPolicy: " + stack["BucketName"], "red")
    started = time.time()
    account.client("s3").delete_bucket_policy(Bucket=stack["BucketName"])
    return watch.until_quiet("DeleteBucketPolicy", account.owner.name, cases=1, started=started)


def what_was_changed(account, stack, sealed, folder) -> list[cases.Examination]:
    screen.heading(9, "What was changed")
    screen.paragraph("Each case was compared with the function as it was recorded when coldcase was deployed, its packages were "
                     "opened and examined, by a function that can do nothing else. As sealed in each case's addendum; values of "
                     "the environment are shown by marks.")
    examined = changed.until_examined(account, stack, sealed, folder)
    changed.show(examined)
    return examined


def run() -> int:
    try:
        return main()
    except Unexpected as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the account has ended.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
