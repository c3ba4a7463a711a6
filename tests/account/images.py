"""ECR images with their manifest, configuration and layers, as a responder fetches them without a container engine."""

import base64
import hashlib
import json
import re

from ministack import app
from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import ecr

from account import downloads


def apply() -> None:
    """Stands in front of MiniStack's handler in its table of services: its layer calls keep and serve no bytes."""
    original = app.SERVICE_HANDLERS["ecr"]

    async def handle(method, path, headers, body, query_params):
        answer = ANSWERS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if answer is None:
            return await original(method, path, headers, body, query_params)
        parameters = json.loads(body or b"{}")
        name = parameters.get("repositoryName", "")
        if name not in ecr._repositories:
            return error_response_json("RepositoryNotFoundException", f"The repository with name '{name}' does not exist "
                                       f"in the registry with id '{get_account_id()}'", 400)
        reply = answer(name, parameters)
        return reply if reply is not None else await original(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["ecr"] = handle


def _layers(name: str) -> dict:
    return ecr._layer_blobs.setdefault(name, {})


def upload_layer_part(name: str, parameters: dict) -> tuple:
    part = base64.b64decode(parameters["layerPartBlob"])
    started = ecr._uploads.setdefault(name, {})
    started[parameters["uploadId"]] = started.get(parameters["uploadId"], b"") + part
    return json_response({"registryId": get_account_id(), "repositoryName": name, "uploadId": parameters["uploadId"],
                          "lastByteReceived": len(started[parameters["uploadId"]]) - 1})


def complete_layer_upload(name: str, parameters: dict) -> tuple:
    content = ecr._uploads.setdefault(name, {}).pop(parameters["uploadId"], b"")
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    if parameters.get("layerDigests") and digest not in parameters["layerDigests"]:
        return error_response_json("InvalidLayerException", f"The layer's digest is {digest}", 400)
    _layers(name)[digest] = content
    return json_response({"registryId": get_account_id(), "repositoryName": name, "uploadId": parameters["uploadId"],
                          "layerDigest": digest})


def batch_check_layer_availability(name: str, parameters: dict) -> tuple:
    kept = _layers(name)
    return json_response({"failures": [], "layers": [
        {"layerDigest": digest, "layerAvailability": "AVAILABLE" if digest in kept else "UNAVAILABLE",
         "layerSize": len(kept.get(digest, b""))} for digest in parameters.get("layerDigests", [])]})


def get_download_url_for_layer(name: str, parameters: dict) -> tuple:
    digest = parameters["layerDigest"]
    if digest not in _layers(name):
        return error_response_json("LayersNotFoundException", f"The layer with digest '{digest}' does not exist", 400)
    return json_response({"downloadUrl": downloads.link(_layers(name)[digest]), "layerDigest": digest})


def put_image(name: str, parameters: dict):
    """Refuses a manifest whose layers were never uploaded; otherwise MiniStack keeps it."""
    try:
        manifest = json.loads(parameters.get("imageManifest", ""))
    except ValueError:
        return error_response_json("InvalidParameterException", "The image manifest is not JSON", 400)
    wanted = [part["digest"] for part in [manifest.get("config"), *manifest.get("layers", [])] if part]
    missing = [digest for digest in wanted if digest not in _layers(name)]
    if missing:
        return error_response_json("LayersNotFoundException", f"Layers with digests {missing} required for pushing image "
                                   f"into repository with name '{name}' don't exist", 400)
    return None


ANSWERS = {
    "UploadLayerPart": upload_layer_part,
    "CompleteLayerUpload": complete_layer_upload,
    "BatchCheckLayerAvailability": batch_check_layer_availability,
    "GetDownloadUrlForLayer": get_download_url_for_layer,
    "PutImage": put_image,
}


def resolve(uri: str) -> str | None:
    """REPOSITORY@DIGEST of an image of this account's registry, or None when there is none."""
    found = re.fullmatch(r"(?P<registry>[^/]+)/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:\w+))?", uri)
    if not found or found["name"] not in ecr._repositories:
        return None
    wanted = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
    image = ecr._find_image(found["name"], wanted)
    return f"{found['registry']}/{found['name']}@{image['imageDigest']}" if image else None
