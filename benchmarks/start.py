"""Cold start: the import of the charge function beside the making of one botocore client, in fresh processes."""

import json
import subprocess
import sys
from statistics import median

from benchmarks.figure import Figure

RUNS = 7

BARE = """
import time; began = time.perf_counter()
import botocore.session
botocore.session.get_session().create_client("dynamodb", region_name="eu-west-1")
print(time.perf_counter() - began)
"""

FUNCTION = """
import time; began = time.perf_counter()
import functions.charges.app
seconds = time.perf_counter() - began
import json, sys
heavy = sorted({name.split(".")[0] for name in sys.modules} & {"aws_xray_sdk", "stripe", "boto3", "jinja2", "moto"})
print(json.dumps([seconds, heavy]))
"""


def measure() -> list[Figure]:
    """The medians of `RUNS` runs of each, taken in turn, so that the machine's moods meet both alike."""
    bare: list[float] = []
    function: list[float] = []
    heavy: list[str] = []
    for _ in range(RUNS):
        bare.append(float(_run(BARE)))
        seconds, heavy = json.loads(_run(FUNCTION))
        function.append(seconds)
    note = f"{median(function) * 1000:.0f} ms over {median(bare) * 1000:.0f} ms"
    return [
        Figure("import of the charge function / a bare botocore client", median(function) / median(bare), 3.0, note),
        Figure("modules it must not import (X-Ray, Stripe …)", len(heavy), 0, ", ".join(heavy)),
    ]


def _run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
