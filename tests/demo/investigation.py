"""Follows coldcase's investigation of one case while it runs: the state machine's state, and what is concluded."""

import json
import time

from demo import Unexpected, screen, vault
from demo.watch import Watch

SECONDS_AT_MOST = 150
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_SIGNS = 6  # of life, while pages are read

# Where the state machine is while an examination is under way.
EXAMINING = {"Begin", "Examine", "SealExamination", "ExaminationSealed", "TellOfVerdict", "Announce"}


class Investigation:
    """One execution of the state machine; it has the name of its case. The seconds are from `started`."""

    def __init__(self, account, stack: dict, case: str, watch: Watch, started: float):
        self._states, self._s3, self._bucket = account.client("stepfunctions"), account.client("s3"), stack["BucketName"]
        self.case, self._watch, self._started = case, watch, started
        found = [execution["executionArn"] for execution in executions(account, stack) if execution["name"] == case]
        if len(found) != 1:
            raise Unexpected(f"{case} has {len(found)} investigations instead of one")
        [self._execution] = found
        self._state, self._told, self._sign = "", set(), time.monotonic()
        self._addenda: dict[str, set[str]] = {}

    def until_examined(self, which: str) -> list[str]:
        """Returns once what the case was as `sealed`, or the `first` or the `second` pass over it, is examined and sealed;
        answers what the owner was told meanwhile."""
        seen = self._watch.follow(self.case, self._started)
        deadline = time.monotonic() + SECONDS_AT_MOST
        while True:
            self._look_at_state()
            # What is done by now has left its traces in the bucket and in the inbox.
            done = self._state not in EXAMINING and self._is_examined(which)
            self._look_at_pages(which)
            self._watch.look()
            if done:
                return seen.notices
            if time.monotonic() > deadline:
                raise Unexpected(f"{self.case}, {which}, was not examined in {SECONDS_AT_MOST} s; its state machine is at "
                                 f"{self._state}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _look_at_state(self) -> None:
        events = self._states.get_execution_history(executionArn=self._execution, reverseOrder=True)["events"]
        entered = next((event for event in events if event["type"].endswith("StateEntered")), None)
        name = entered["stateEnteredEventDetails"]["name"] if entered else self._state
        if name != self._state:
            self._state = name
            self._watch.say(entered["timestamp"].timestamp(), f"state machine: {name}")
        execution = self._states.describe_execution(executionArn=self._execution)
        if execution["status"] not in ("RUNNING", "SUCCEEDED"):
            raise Unexpected(f"the investigation of {self.case} {execution['status']}: {execution.get('cause')}")

    def _is_examined(self, which: str) -> bool:
        """Whether an addendum says so; each is read once."""
        folder = f"cases/{self.case}/manifest-"
        for key in vault.objects(self._s3, self._bucket, folder):
            if key.endswith(".dsse.json") and key not in self._addenda:
                manifest = self._s3.get_object(Bucket=self._bucket, Key=key.replace(".dsse", ""))["Body"].read()
                self._addenda[key] = {entry.get("pass") for entry in json.loads(manifest)["predicate"]["custody"]
                                      if entry["action"] == "examined"}
        return any(which in examined for examined in self._addenda.values())

    def _look_at_pages(self, which: str) -> None:
        """The pages and conclusions of a pass are in the vault as they come, and so is what there is to be concluded."""
        folder = f"windows/{self.case}/{which}/"
        found = {key.removeprefix(folder): stored.timestamp()
                 for key, (_, stored) in vault.objects(self._s3, self._bucket, folder).items()}
        if "plan.json" not in found:
            return
        plan = self._s3.get_object(Bucket=self._bucket, Key=folder + "plan.json")["Body"].read()
        wanted = len(json.loads(plan)["requests"])
        concluded = sorted((at, key) for key, at in found.items() if key.endswith("/done.json"))
        for number, (at, key) in enumerate(concluded, 1):
            if (which, key) not in self._told:
                self._told.add((which, key))
                self._sign = time.monotonic()
                self._watch.say(at, f"concluded {number} of {wanted}: {key.split('/')[0].split('--')[0]}")
        pages = sum(key.endswith(".gz") for key in found)
        if len(concluded) < wanted and time.monotonic() - self._sign > SECONDS_BETWEEN_SIGNS:
            self._sign = time.monotonic()
            self._watch.say(time.time(), f"{screen.amount(pages, 'page')} read, {len(concluded)} of {wanted} concluded", "dim")


def executions(account, stack: dict) -> list[dict]:
    """Every investigation so far."""
    return account.client("stepfunctions").list_executions(stateMachineArn=stack["InvestigationArn"])["executions"]
