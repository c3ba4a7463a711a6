"""Starts the account: environment, MiniStack, the additions, one loopback listener, and an end that leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import threading

from account import ACCOUNT_ID, MINISTACK_VERSION, REGION
from account.guardian import Guardian

# What the account and its functions may see of the caller's environment.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYENV_ROOT", "PYENV_VERSION")


def up(options) -> int:
    folder = tempfile.mkdtemp(prefix="account-")
    guardian = Guardian(folder)
    listener, for_functions = _listener(options.port), _listener(0)
    port = listener.getsockname()[1]
    _set_environment(folder, port, options.auth)
    _redirect_log(options.log)
    _require_pinned_version()

    # Functions are timed by threads of this process: let none of them wait long for its turn.
    sys.setswitchinterval(0.001)
    from account import additions, caller_address, gateway
    caller_address.functions_port = for_functions.getsockname()[1]
    additions.apply(guardian, enforce_memory=options.memory == "enforce")
    try:
        asyncio.run(_serve(gateway.application, (listener, for_functions), port, options))
    finally:
        additions.stop()
        # MiniStack's pollers never end by themselves, so neither would the interpreter; the guardian removes the folder.
        os._exit(1 if sys.exc_info()[0] else 0)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _set_environment(folder: str, port: int, auth: bool) -> None:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update({
        "AUTH": "true" if auth else "false",
        # MiniStack's own root key. The account hands out an administrator instead, whom policies bind.
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # A Docker daemon of this machine is none of the account's business.
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "STATE_DIR": f"{folder}/state",
        "TMPDIR": folder,
        "LOG_LEVEL": "WARNING",
    })
    tempfile.tempdir = folder


def _redirect_log(path: str | None) -> None:
    """Everything logged goes to `path`; standard output keeps only the line of JSON."""
    if path:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 2)


def _require_pinned_version() -> None:
    from importlib.metadata import version
    found = version("ministack")
    if found != MINISTACK_VERSION:
        sys.exit(f"the additions are written for MiniStack {MINISTACK_VERSION}; this is {found}")


async def _serve(application, listeners: tuple, port: int, options) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = []
    for listener in listeners:
        listener.listen(512)
        config.bind.append(f"fd://{listener.detach()}")  # hypercorn owns and closes it from here on
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.2
    config.shutdown_timeout = 0.5
    config.loglevel = "WARNING"

    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, end.set)
    if options.seconds_limit:
        loop.call_later(options.seconds_limit, end.set)
    if not options.ignore_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(loop, end), daemon=True).start()

    from account.trail import the_trail
    credentials = _create_administrator()
    _create_default_trail()

    async def announce_and_wait():
        # Hypercorn awaits this once it serves.
        delivering = asyncio.create_task(the_trail.delivery.run(options.delivery_seconds, options.digest_seconds))
        line = {"endpoint": f"http://127.0.0.1:{port}", "account": ACCOUNT_ID, "region": REGION, **credentials}
        print(json.dumps(line), flush=True)
        await end.wait()
        delivering.cancel()

    await serve(application, config, shutdown_trigger=announce_and_wait)


def _wait_for_end_of_stdin(loop, end) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    loop.call_soon_threadsafe(end.set)


def _create_administrator() -> dict:
    """An IAM user who may do everything, yet whom an explicit Deny binds, as it binds a person on AWS."""
    from ministack.services import iam
    from ministack.core.responses import request_scope

    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    user = {"UserName": "administrator"}
    with request_scope(ACCOUNT_ID, REGION):
        iam._create_user(user)
        iam._put_user_policy({**user, "PolicyName": "everything", "PolicyDocument": json.dumps(everything)})
        iam._create_access_key(user)
        [key] = [key for key in iam._access_keys.values() if key["UserName"] == "administrator"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def _create_default_trail() -> None:
    """A trail named `management` that is logging, without which nothing reaches EventBridge, and its bucket."""
    from ministack.services import cloudtrail, s3
    from ministack.core.responses import request_scope

    with request_scope(ACCOUNT_ID, REGION):
        s3._create_bucket("management-trail", b"", {})
        cloudtrail._create_trail({"Name": "management", "S3BucketName": "management-trail", "IsMultiRegionTrail": True,
                                  "EnableLogFileValidation": True})
        cloudtrail._start_logging({"Name": "management"})
