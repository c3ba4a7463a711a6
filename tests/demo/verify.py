"""Checks the downloaded cases and their addenda with sha256sum and openssl alone, and that the checks notice a single byte."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from demo import Unexpected, screen
from demo.cases import Case

DIGESTS = "sha256sum --check --quiet manifest-{n}.sha256"
LISTED = """grep -q "$(sha256sum < manifest-{n}.sha256 | cut -c-64)" \\
  manifest-{n}.json"""
SIGNATURE = """\
{{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' \\
    $(wc -c < manifest-{n}.json)
  cat manifest-{n}.json; }} |
  openssl dgst -sha256 -verify ../../coldcase.pem \\
    -signature manifest-{n}.sig"""
CHAIN = """grep -q "$(sha256sum < manifest-{before}.json | cut -c-64)" \\
  manifest-{n}.json"""


def fetch_public_key(account, stack: dict, folder: Path) -> None:
    """The trusted key comes from KMS, never from the case itself."""
    key = account.client("kms").get_public_key(KeyId=stack["SigningKeyArn"])["PublicKey"]
    subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-out", folder / "coldcase.pem"], input=key, check=True,
                   capture_output=True)


def explain(case: Case) -> None:
    """The commands as a responder types them, and as `check` runs them."""
    screen.shell(f"cd cases/{case.id}")
    for note, command in (("every exhibit is what the list of digests says", DIGESTS.format(n="0000")),
                          ("the manifest names this list", LISTED.format(n="0000")),
                          ("coldcase's key signed the manifest", SIGNATURE.format(n="0000")),
                          ("the addendum goes on from it", CHAIN.format(before="0000", n="0001")),
                          ("and so on, each with its exhibits, its signature and the one before",
                           DIGESTS.format(n="0002"))):
        screen.line("   " + screen.paint(f"# {note}", "dim"))
        screen.shell(command)


def show_chain(case: Case) -> None:
    """Each manifest's digest, which the next one names."""
    for number, manifest in enumerate(case.manifests):
        digest = hashlib.sha256((case.folder / f"manifest-{number:04}.json").read_bytes()).hexdigest()
        before = f"after {manifest['previous_sha256'][:16]}…" if number else "the case"
        screen.fact("chain" if not number else "", f"manifest-{number:04}  {digest[:16]}…  {before}")


def check(case: Case) -> tuple[int, int]:
    """(exhibits, signatures) that hold; the first check that fails ends the demo."""
    exhibits = 0
    for number, manifest in enumerate(case.manifests):
        n, before = f"{number:04}", f"{number - 1:04}"
        # An addendum on custody alone has no exhibits, and so no digests to check.
        listed = (case.folder / f"manifest-{n}.sha256").read_text().count("\n")
        commands = [DIGESTS] if listed else []
        commands += [LISTED, SIGNATURE] + ([CHAIN] if number else [])
        for command in commands:
            good, said = run(command.format(n=n, before=before), case.folder)
            if not good:
                raise Unexpected(f"{case.id}: {command.format(n=n, before=before)}\n{said}")
        exhibits += listed
    return exhibits, len(case.manifests)


def tamper(case: Case, copy: Path) -> list[tuple[str, bool, str]]:
    """Flips one byte of an exhibit, of the list, of the manifest and of what an addendum brought, each in a copy of its
    own: what, whether it was noticed, and by which words."""
    package = next(exhibit for exhibit in case.exhibits if exhibit["key"].startswith("content/"))
    number, activity = next((f"{number:04}", exhibit) for number, manifest in enumerate(case.manifests)
                            for acquisition in manifest["acquisitions"] for exhibit in acquisition["exhibits"]
                            if acquisition["request"]["artifact"] == "role-activity")
    folder = f"cases/{case.id}"
    tries = [(f"one byte of {package['name']}", package["key"], DIGESTS, "0000"),
             ("one byte of the list of digests", f"{folder}/manifest-0000.sha256", LISTED, "0000"),
             ("one byte of the manifest", f"{folder}/manifest-0000.json", SIGNATURE, "0000"),
             ("the same, seen from the addendum after it", f"{folder}/manifest-0000.json", CHAIN, "0001"),
             (f"one byte of {activity['name']}", activity["key"], DIGESTS, number)]
    results = []
    for copies, (what, key, command, n) in enumerate(tries):
        root = shutil.copytree(case.folder.parent.parent, copy / str(copies))
        flip(root / key)
        good, said = run(command.format(n=n, before=f"{int(n) - 1:04}"), root / folder)
        told = next((line for line in said.splitlines() if "FAILED" in line or "ailure" in line), "")
        results.append((what, not good, told.strip() or "no such digest in the manifest"))
    return results


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def run(command: str, folder: Path) -> tuple[bool, str]:
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr
