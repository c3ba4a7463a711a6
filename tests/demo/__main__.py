"""The story, top-down: a function, coldcase, an attack, the sealed cases, and what becomes of who wants them gone."""

import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from demo import Unexpected, attacker, cases, promises, refusals, screen, tree, vault, verify, victim
from demo.local_account import ROOT, STACK, LocalAccount
from demo.watch import Watch


def main() -> int:
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    screen.title("coldcase: a function is attacked, and the evidence is kept",
                 "An AWS account runs on this machine for the next minute. Every line below is a call that was made or "
                 "an object that is there; where something does not happen as promised, the demo fails.")
    if not (ROOT / "target/lambda/respond/bootstrap").exists():
        raise Unexpected("there is no responder to deploy; `make build` makes it")
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
        answered = the_attack(account, billing, watch)
        copy = vault.download(account.client("s3"), stack["BucketName"], folder / "evidence")
        sealed = cases.read_all(copy)
        the_sealed_cases(sealed)
        noticed = offline(account, stack, sealed, copy, folder)
        safe = against_the_evidence(account, stack, sealed, watch)
        answered["DeleteBucketPolicy"] = the_way_that_is_left(account, stack, watch)
        screen.heading(7, "What was promised")
        kept = [promises.each_attack_has_its_case(sealed, answered),
                promises.both_codes_are_there(account, sealed),
                promises.tracing_is_on_and_the_loop_closed(account, stack, sealed, answered),
                promises.the_attempt_was_told(answered),
                promises.the_secret_stayed_in_the_vault(account, stack, billing.secret, watch, copy, sealed),
                (noticed, "Every case verifies with sha256sum and openssl alone, and a changed byte is noticed."),
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
    screen.fact("function", f"{victim.NAME}, {victim.RUNTIME}; released as version 1, alias live")
    screen.fact("layer", billing.layer_arn.rpartition("layer:")[2])
    screen.fact("role", f"{victim.ROLE}: may write logs and traces, nothing else")
    screen.fact("secret", "DATABASE_PASSWORD in its environment, marked to be looked for")
    host, _, domain = billing.url.partition(".")
    screen.fact("url", f"{host[:16]}….{domain}")
    screen.fact("it answers", billing.answer)
    return billing


def coldcase_is_deployed(account) -> tuple[dict, Watch]:
    screen.heading(2, "coldcase is deployed")
    screen.shell(f"sam deploy --template-file template.yaml --stack-name {STACK}")
    screen.line()
    began = time.monotonic()
    stack = account.deploy()
    resources = account.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    s3 = account.client("s3")
    lock = s3.get_object_lock_configuration(Bucket=stack["BucketName"])["ObjectLockConfiguration"]
    lock = lock["Rule"]["DefaultRetention"]
    config = account.client("lambda").get_function_configuration(FunctionName=stack["FunctionName"])
    rules = [item for item in resources if item["ResourceType"] == "AWS::Events::Rule"]
    screen.fact("deployed", f"{screen.amount(len(resources), 'resource')} in {time.monotonic() - began:.0f} s")
    screen.fact("responder", f"{stack['FunctionName']}, {config['MemorySize']} MB, woken by "
                             f"{screen.amount(len(rules), 'rule')}")
    screen.fact("vault", f"{stack['BucketName']}: {lock['Mode']}, {lock['Days']} days")
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


def the_attack(account, billing, watch) -> dict:
    """What coldcase did about each of the attacker's calls."""
    screen.heading(3, "A key leaks")
    thief = attacker.with_leaked_key(account)
    screen.fact("user", f"{attacker.USER} deploys the billing API. Its access key {thief.access_key_id} is in somebody "
                        "else's hands now.")
    answered = {}
    for step in attacker.steps(account, thief, billing.layer_arn):
        screen.step(step.name, step.why)
        for call in step.calls:
            started = time.time()
            screen.fact("attacker", f"{call.name}: {call.about}", "red")
            attacker.make(call)
            answered[call.name] = watch.until_quiet(call.name, attacker.USER, int(call.opens_case), started)
    return answered


def the_sealed_cases(sealed) -> None:
    screen.heading(4, "The sealed cases")
    screen.paragraph("Every artifact with the size of the answer that was kept; after a plus, the bytes themselves, kept "
                     "once under their digest. A later case of the same function lists what is different in it.")
    tree.show(sealed)


def offline(account, stack, sealed, copy, folder) -> bool:
    screen.heading(5, "Verified without coldcase and without AWS")
    verify.fetch_public_key(account, stack, copy)
    screen.paragraph("The vault was downloaded, the public key fetched with kms:GetPublicKey into coldcase.pem. "
                     "What follows needs no network:")
    screen.line()
    shown = cases.of_event(sealed, "UpdateFunctionCode")
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


def against_the_evidence(account, stack, sealed, watch) -> bool:
    screen.heading(6, "The administrator against the evidence")
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
    # New are only notes of these attempts, which coldcase has made.
    intact = all(was.stands(after.get(version)) for version, was in before.items()) and all(
        key.startswith("attempts/") for key, _ in set(after) - set(before))
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
