"""The story, top-down: a function, coldcase, an attack, the sealed cases, and why nobody can make them go away."""

import json
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from demo import Unexpected, attacker, cases, refusals, screen, secret, tree, vault, verify, victim
from demo.local_account import ROOT, STACK, LocalAccount
from demo.watch import Watch


def main() -> int:
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen.title("coldcase: a function is attacked, and the evidence is kept",
                 "An AWS account runs on this machine for the next minute. Every line below is a call that was made or "
                 "an object that is there; where something does not happen as promised, the demo fails.")
    if not (ROOT / "target/lambda/respond/bootstrap").exists():
        raise Unexpected("there is no responder to deploy; `make build` makes it")
    with tempfile.TemporaryDirectory(prefix="coldcase-demo-") as folder:
        promises = tell(Path(folder))
    screen.line()
    screen.fact("cleaned up", f"The account has ended and {folder} is gone. "
                              f"{time.monotonic() - began:.0f} s in all.")
    return 0 if all(promises) else 1


def tell(folder: Path) -> list[bool]:
    with account_in(folder) as account:
        billing = a_function(account)
        stack, watch = coldcase_is_deployed(account)
        answered = the_attack(account, billing, watch)
        copy = vault.download(account.client("s3"), stack["BucketName"], folder / "evidence")
        sealed = cases.read_all(copy)
        the_sealed_cases(sealed)
        noticed = offline(account, stack, sealed, copy, folder)
        refused, intact = against_the_evidence(account, stack, sealed, watch)
        return promises_kept(account, billing, watch, answered, sealed, copy, noticed, refused, intact)


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
    screen.fact("function", f"{victim.NAME}, {victim.RUNTIME}; released as version 1, alias live")
    screen.fact("layer", billing.layer_arn.rpartition("layer:")[2])
    screen.fact("role", f"{victim.ROLE}: may write logs and traces, nothing else")
    screen.fact("secret", "DATABASE_PASSWORD in its environment, marked to be looked for")
    screen.fact("url", billing.url)
    screen.fact("it answers", billing.answer)
    return billing


def coldcase_is_deployed(account) -> tuple[dict, Watch]:
    screen.heading(2, "coldcase is deployed")
    began = time.monotonic()
    stack = account.deploy()
    resources = account.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    s3 = account.client("s3")
    lock = s3.get_object_lock_configuration(Bucket=stack["BucketName"])["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    config = account.client("lambda").get_function_configuration(FunctionName=stack["FunctionName"])
    rules = [item for item in resources if item["ResourceType"] == "AWS::Events::Rule"]
    screen.fact("sam deploy", f"template.yaml as it is: {screen.amount(len(resources), 'resource')} in "
                              f"{time.monotonic() - began:.0f} s")
    screen.fact("responder", f"{stack['FunctionName']}, {config['MemorySize']} MB, woken by "
                             f"{screen.amount(len(rules), 'rule')}")
    screen.fact("vault", f"{stack['BucketName']}: {lock['Mode']}, {lock['Days']} days")
    screen.fact("key", "ECDSA P-256 in KMS; only the responder's role may sign")
    inbox = an_inbox(account)
    watch = Watch(account, stack, inbox["url"])
    screen.step("The owner subscribes to the alerts")
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


def the_attack(account, billing, watch) -> dict:
    """What coldcase did about each of the attacker's calls."""
    screen.heading(3, "A key leaks")
    thief = attacker.with_leaked_key(account)
    screen.fact("user", f"{attacker.USER} deploys the billing API. Its access key {thief.access_key_id} is in somebody "
                        "else's hands now.")
    answered = {}
    for step in attacker.steps(account, thief, billing.layer_arn):
        screen.step(f"{step.name}. {step.why}")
        for call in step.calls:
            started = time.time()
            screen.fact("attacker", f"{call.name}: {call.about}", "red")
            attacker.make(call)
            answered[call.name] = watch.until_quiet(call.name, attacker.USER, int(call.opens_case), started)
    return answered


def the_sealed_cases(sealed) -> None:
    screen.heading(4, f"{screen.amount(len(sealed), 'sealed case')}")
    tree.show(sealed)


def offline(account, stack, sealed, copy, folder) -> bool:
    screen.heading(5, "Verified without coldcase and without AWS")
    verify.fetch_public_key(account, stack, copy)
    screen.paragraph("The vault was downloaded, the public key fetched with kms:GetPublicKey into coldcase.pem. "
                     "What follows needs no network:")
    shown = next(case for case in sealed if case.event == "UpdateFunctionCode")
    verify.explain(shown)
    screen.line()
    checked = [verify.check(case) for case in sealed]
    exhibits, signatures = (sum(column) for column in zip(*checked))
    screen.fact("verified", f"{screen.amount(len(sealed), 'case')}: {screen.amount(exhibits, 'digest')} and "
                            f"{screen.amount(signatures, 'signature')} hold", "green")
    changed = verify.tamper(shown, folder / "tampered")
    for what, noticed, said in changed:
        screen.fact("changed", f"{what}: {screen.clean(said) if noticed else 'NOT NOTICED'}", None if noticed else "red")
    return all(noticed for _, noticed, _ in changed)


def against_the_evidence(account, stack, sealed, watch) -> tuple[bool, bool]:
    screen.heading(6, "The administrator against the evidence")
    shown = next(case for case in sealed if case.event == "UpdateFunctionCode")
    key = next(exhibit["key"] for exhibit in shown.exhibits if exhibit["key"].startswith("content/"))
    screen.paragraph(f"As {account.owner.name}, who may do everything, on the attacker's package {key[:16]}…:")
    s3 = account.client("s3")
    before = vault.versions(s3, stack["BucketName"])
    started, told = time.time(), len(watch.notices)
    all_refused = True
    for attempt in refusals.tries(account, stack, key):
        error = refusals.refused(attempt)
        as_expected = error == attempt.expected
        all_refused &= as_expected
        verdict = error or "ALLOWED"
        screen.line(f"   {attempt.what:<48} " + screen.paint(
            verdict if as_expected else f"{verdict}, expected {attempt.expected}", "green" if as_expected else "red"))
    watch.until_quiet("ScheduleKeyDeletion", account.owner.name, cases=0, started=started, tell=False)
    after = vault.versions(s3, stack["BucketName"])
    intact = all(after.get(version) == what for version, what in before.items()) and all(
        key.startswith("attempts/") for key, _ in set(after) - set(before))
    screen.line()
    screen.fact("evidence", f"{screen.amount(len(before), 'object')}, each with its bytes and its lock as before"
                if intact else "CHANGED", "green" if intact else "red")
    screen.fact("owner told", f"{screen.amount(len(watch.notices) - told, 'alert')} about these attempts")
    return all_refused, intact


def promises_kept(account, billing, watch, answered, sealed, copy, noticed, refused, intact) -> list[bool]:
    screen.heading(7, "What was promised")
    attacks = [case for case in sealed if (case.trigger["principal"] or "").endswith(f"user/{attacker.USER}")]
    wanted = ["UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "AttachRolePolicy"]
    slowest = max(answered[name].sealed_after or 0 for name in wanted)
    promises = [(sorted(case.event for case in attacks) == sorted(wanted),
                 f"Each of the attacker's four changes has its sealed case, the slowest after {slowest:.1f} s.")]

    code = next((case for case in attacks if case.event == "UpdateFunctionCode"), None)
    packages = {exhibit["name"]: exhibit["sha256"] for exhibit in code.exhibits} if code else {}
    evil, good = packages.get("function-code.zip"), packages.get("function-code-1.zip")
    promises.append((bool(evil and good and evil != good),
                     "The attacker's code is in the vault, and beside it the code that was released before."))

    own = [record for record in account.trail() if record["eventName"].startswith("UpdateFunctionConfiguration")
           and "coldcase" in record["userIdentity"]["arn"]]
    ignored = [reason for seen in answered.values() for reason in seen.reasons if "itself turned tracing on" in reason]
    tracing = account.client("lambda").get_function_configuration(FunctionName=victim.NAME)["TracingConfig"]["Mode"]
    promises.append((len(own) == 1 and len(ignored) == 1 and tracing == "Active",
                     "Tracing was turned on once, after the seal; coldcase did not take that for an attack."))

    attempt = answered["DisableRule"]
    promises.append((len(attempt.attempts) == 1 and any("tried to touch" in notice for notice in attempt.notices),
                     "The try at coldcase itself was written down, and the owner alerted."))

    kept, leaked = secret.where(billing.secret, copy, sealed, {
        "the responder's log": watch.log_lines, "a notification": [json.dumps(notice) for notice in watch.notices],
        "CloudTrail": [json.dumps(record) for record in account.trail()]})
    promises.append((bool(kept) and not leaked,
                     f"The secret is in {screen.amount(len(kept), 'configuration exhibit')} and nowhere else"
                     + (f", but for {', '.join(leaked)}." if leaked else ": no log, notification or manifest.")))
    promises.append((noticed, "Every case verifies with sha256sum and openssl alone, and a changed byte is noticed."))
    promises.append((refused and intact, "The administrator could not delete, overwrite, shorten or forge anything."))
    for good, text in promises:
        screen.verdict(good, text)
    return [good for good, _ in promises]


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
