"""What `sam build` makes of template.yaml: for each function its folder, its layers and its variables."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.template import ROOT
from tests.template.document import read

BUILD_TIMEOUT_SECONDS = 300

# How Lambda names the processors that Python knows by other names.
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class BuildFailed(Exception):
    """`sam build` did not succeed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class BuiltFunction:
    """One function as AWS would be sent it. `layers` are the folders that Lambda would lay over /opt."""

    name: str
    folder: Path
    layers: tuple[Path, ...]
    variables: dict[str, str]
    timeout_seconds: int


def architecture() -> str:
    """This machine's processor, as the template's parameter names it."""
    return ARCHITECTURES[platform.machine().lower()]


def sam_build(folder: Path) -> dict[str, BuiltFunction]:
    """Builds every function and layer of template.yaml into `folder`, for this machine. Raises BuildFailed."""
    command = [sys.executable, "-m", "samcli", "build", "--build-dir", str(folder)]
    command += ["--parameter-overrides", f"Architecture={architecture()}"]
    # SAM looks for python3.13 and its pip on PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    built = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT_SECONDS, check=False
    )
    if built.returncode:
        raise BuildFailed(built.stdout + built.stderr)
    return _functions(folder)


def _functions(folder: Path) -> dict[str, BuiltFunction]:
    document = read(folder / "template.yaml")
    shared = document["Globals"]["Function"]
    functions = {}
    for resource in document["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = shared | resource["Properties"]
        variables = shared["Environment"]["Variables"] | properties["Environment"]["Variables"]
        # A function's own layers come on top of those of Globals.
        attached = [*shared["Layers"], *resource["Properties"].get("Layers", [])]
        layers = [document["Resources"][layer["Ref"]]["Properties"]["ContentUri"] for layer in attached]
        name = variables["POWERTOOLS_SERVICE_NAME"]
        functions[name] = BuiltFunction(
            name=name,
            folder=folder / properties["CodeUri"],
            layers=tuple(folder / layer for layer in layers),
            variables={key: _value(value, document["Parameters"]) for key, value in variables.items()},
            timeout_seconds=properties["Timeout"],
        )
    return functions


def _value(value: Any, parameters: dict[str, Any]) -> str:
    """A parameter stands for its default, a resource for its logical id."""
    if isinstance(value, dict):
        return str(parameters.get(value["Ref"], {}).get("Default", value["Ref"]))
    return str(value)
