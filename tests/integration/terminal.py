"""The commands as real processes, with an environment that holds nothing but what they need."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.outcome import Outcome
from tests.repository import ROOT

PATIENCE = 120  # seconds for a command; a training takes about 10 on an idle machine
NEEDED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
OWN = {
    "PYTHONPATH": str(ROOT),
    "NO_PROXY": "127.0.0.1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
ANA = ("--age", "40", "--sex", "female", "--bmi", "27.5", "--children", "2")
ANA += ("--smoker", "no", "--region", "southeast")


@dataclass(frozen=True)
class Terminal:
    """Runs commands in `folder` with `variables`."""

    folder: Path
    variables: Mapping[str, str] = field(repr=False)

    def __call__(self, *arguments: str, **variables: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "insurance_predictor", *arguments],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def good(self, *arguments: str, **variables: str) -> str:
        """What a command printed that has to end well, with nothing said on the side."""
        done = self(*arguments, **variables)
        assert (done.code, done.err) == (0, ""), f"{arguments}: {done}"
        return done.out

    def state(self) -> Any:
        """What `status` knows of the registry."""
        return json.loads(self.good("status", "--json"))

    def quote(self) -> Any:
        """What production asks of one certain person."""
        quote = json.loads(self.good("predict", *ANA, "--json"))
        del quote["prediction_id"]  # each time another
        return quote

    @property
    def environment(self) -> dict[str, str]:
        """The whole of it; a developer's own keys for S3 stay outside."""
        inherited = {name: os.environ[name] for name in NEEDED if name in os.environ}
        return {**inherited, **OWN, **self.variables}
