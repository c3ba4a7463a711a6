"""Checks the downloaded cases with sha256sum and openssl alone, and that the checks notice a single byte."""

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
                          ("the addendum goes on from it", CHAIN.format(before="0000", n="0001"))):
        screen.line("   " + screen.paint(f"# {note}", "dim"))
        screen.shell(command)


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
    """Flips one byte of an exhibit, of the list and of the manifest, each in a copy of its own: what, whether it was
    noticed, and by which words."""
    package = next(exhibit for exhibit in case.exhibits if exhibit["key"].startswith("content/"))
    tries = [(f"one byte of {package['name']}", lambda root: root / package["key"], DIGESTS),
             ("one byte of the list of digests", lambda root: root / "cases" / case.id / "manifest-0000.sha256", LISTED),
             ("one byte of the manifest", lambda root: root / "cases" / case.id / "manifest-0000.json", SIGNATURE)]
    results = []
    for number, (what, where, command) in enumerate(tries):
        root = shutil.copytree(case.folder.parent.parent, copy / str(number))
        flip(where(root))
        good, said = run(command.format(n="0000"), root / "cases" / case.id)
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
