"""The vault from outside: what lies in the bucket, and a copy of it to read and check offline."""

from datetime import datetime
from pathlib import Path


def objects(s3, bucket: str) -> dict[str, tuple[int, datetime]]:
    """Every key with its size and when it was stored."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"]: (item["Size"], item["LastModified"]) for page in pages for item in page.get("Contents", [])}


def versions(s3, bucket: str) -> dict[tuple[str, str], tuple]:
    """Every version, and every delete marker if there should be one, with what must never change about it."""
    found = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in page.get("Versions", []):
            lock = s3.get_object_retention(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])["Retention"]
            found[item["Key"], item["VersionId"]] = (item["ETag"], item["Size"], lock["Mode"], lock["RetainUntilDate"])
        for item in page.get("DeleteMarkers", []):
            found[item["Key"], item["VersionId"]] = ("deleted",)
    return found


def download(s3, bucket: str, folder: Path) -> Path:
    """Copies everything into `folder`, each key as a path."""
    for key in objects(s3, bucket):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return folder
