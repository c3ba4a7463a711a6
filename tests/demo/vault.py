"""The vault from outside: what lies in the bucket, and a copy of it to read and check offline."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


def objects(s3, bucket: str, prefix: str = "") -> dict[str, tuple[int, datetime]]:
    """Every key that begins like this, with its size and when it was stored."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"]: (item["Size"], item["LastModified"]) for page in pages for item in page.get("Contents", [])}


@dataclass(frozen=True)
class Version:
    """What must not change about a version of an object, but for a lock that grows."""

    etag: str
    mode: str | None
    until: datetime | None

    def stands(self, later: "Version | None") -> bool:
        return bool(later) and (self.etag, self.mode) == (later.etag, later.mode) and self.until <= later.until


def versions(s3, bucket: str) -> dict[tuple[str, str], Version]:
    """Every version by key and version id; delete markers too, if there should be any."""
    found = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in page.get("Versions", []):
            lock = s3.get_object_retention(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])["Retention"]
            found[item["Key"], item["VersionId"]] = Version(item["ETag"], lock["Mode"], lock["RetainUntilDate"])
        for item in page.get("DeleteMarkers", []):
            found[item["Key"], item["VersionId"]] = Version("delete marker", None, None)
    return found


def download(s3, bucket: str, folder: Path, prefix: str = "") -> Path:
    """Copies everything whose key begins like this into `folder`, each key as a path."""
    for key in objects(s3, bucket, prefix):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return folder
