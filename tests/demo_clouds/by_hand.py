"""The last case checked with sha256sum and openssl alone, by the commands of the demo in AWS, on a copy of the folder."""

import shutil
import subprocess
from pathlib import Path

from clouds.desk import Desk
from demo import screen, verify
from demo.cases import Case


def check(desk: Desk, case: Case, folder: Path) -> bool:
    """Whether everything holds, and whether a changed byte is noticed. Raises `Unexpected` at the first thing that does not hold."""
    copy = Path(shutil.copytree(desk.vault, folder / "copy"))
    # The trusted key is the responder's own, never the one that lies beside the case.
    subprocess.run(["openssl", "pkey", "-in", desk.signing_key, "-pubout", "-out", copy / "coldcase.pem"], check=True, capture_output=True)
    copied = Case(copy / "cases" / case.id)
    verify.explain(copied)
    screen.line()
    verify.show_chain(copied)
    exhibits, signatures = verify.check(copied)
    screen.fact("verified", f"{screen.amount(exhibits, 'digest')} and {screen.amount(signatures, 'signature')} hold", "green")
    return _is_noticed(copied)


def _is_noticed(case: Case) -> bool:
    """One byte of the first package, and one of the manifest that names it; neither is put back."""
    package = next(exhibit for exhibit in case.exhibits if exhibit["key"].startswith("content/"))
    tries = [(f"one byte of {package['name']}", case.path(package), verify.DIGESTS),
             ("one byte of the manifest", case.folder / "manifest-0000.json", verify.SIGNATURE)]
    noticed = []
    for what, path, command in tries:
        verify.flip(path)
        good, _ = verify.run(command.format(n="0000"), case.folder)
        noticed.append(not good)
        screen.fact("changed", f"{what}: {'NOT NOTICED' if good else 'noticed'}", "red" if good else None)
    return all(noticed)
