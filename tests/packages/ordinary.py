"""Packages as people deploy them, built from the registries: Python, Node, Java, Rust."""

import subprocess
import sys
import zipfile
from pathlib import Path

# What a function commonly carries, at versions that stay what they are.
PYTHON = ["boto3==1.40.50", "requests==2.32.5", "numpy==2.2.6", "cryptography==46.0.2", "pydantic==2.12.0", "PyYAML==6.0.3",
          "aws-lambda-powertools==3.21.0", "Jinja2==3.1.6"]
NODE = ["express@5.1.0", "lodash@4.17.21", "axios@1.12.2", "uuid@13.0.0", "debug@4.4.3", "chalk@5.6.2", "commander@14.0.1",
        "moment@2.30.1", "dotenv@17.2.3", "winston@3.18.3", "jsonwebtoken@9.0.2", "@aws-sdk/client-s3@3.908.0", "zod@4.1.12"]
# A registry of jars is not needed: this package of npm's carries one.
JAVA = "google-closure-compiler-java@20250820.0.0"

HANDLER = {
    "handler.py": 'import os\n\nimport boto3\nimport requests\n\nTABLE = os.environ["TABLE"]\n\n\ndef handler(event, context):\n'
                  '    rates = requests.get("https://rates.example.com/latest", timeout=5).json()\n'
                  '    boto3.resource("dynamodb").Table(TABLE).put_item(Item={"id": event["id"], "rates": str(rates)})\n'
                  '    return {"statusCode": 200}\n',
    "index.js": 'const express = require("express");\nconst { S3Client } = require("@aws-sdk/client-s3");\n'
                'const axios = require("axios");\nconst client = new S3Client({ region: process.env.AWS_REGION });\n'
                'exports.handler = async (event) => (await axios.get("https://rates.example.com/latest")).data;\n',
}


def python(folder: Path, more: list[str] = ()) -> Path:
    into = folder / "python"
    # In an environment of its own making nothing else is looked at, and nothing is said of it.
    run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--ignore-installed", "--target", into,
        "--only-binary", ":all:", *PYTHON, *more)
    (into / "handler.py").write_text(HANDLER["handler.py"])
    return packed(into)


def node(folder: Path, more: list[str] = ()) -> Path:
    into = folder / "node"
    into.mkdir()
    (into / "package.json").write_text('{"name": "orders", "version": "1.0.0", "private": true}')
    run("npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", *NODE, *more, cwd=into)
    (into / "index.js").write_text(HANDLER["index.js"])
    return packed(into)


def java(folder: Path) -> Path:
    into = folder / "java"
    into.mkdir()
    (into / "package.json").write_text("{}")
    run("npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", JAVA, cwd=into)
    (jar,) = (into / "node_modules").rglob("compiler.jar")
    function = folder / "java-function"
    (function / "lib").mkdir(parents=True)
    jar.rename(function / "lib" / "compiler.jar")
    return packed(function)


def rust(folder: Path, program: Path) -> Path:
    into = folder / "rust"
    into.mkdir()
    (into / "bootstrap").write_bytes(program.read_bytes())
    (into / "bootstrap").chmod(0o755)
    return packed(into)


def packed(folder: Path) -> Path:
    """As `zip -r` would: every file with its mode, folders not named."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                content.write(file, file.relative_to(folder))
    return archive


def run(*command, **how) -> None:
    subprocess.run([str(word) for word in command], check=True, **how)
