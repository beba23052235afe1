"""Whether every job that the last one needs has succeeded: the one status that is required.

`python -m infra.github.required` reads the context `needs` of the workflow as JSON from NEEDS. It
needs nothing but Python, so that it does not wait for an environment.
"""

import json
import os
import sys


def failures(needs: str) -> list[str]:
    """What is wrong with the jobs in `needs`, a sentence each; one that was skipped is, too."""
    try:
        jobs = {name: job["result"] for name, job in json.loads(needs).items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return ["NEEDS is not what a workflow writes as ${{ toJSON(needs) }}."]
    if not jobs:
        return ["NEEDS names no job: list them under `needs` of this one."]
    return [f"{name}: {result}" for name, result in jobs.items() if result != "success"]


def main() -> None:
    """Print the failures, and end with 1 if there are any."""
    found = failures(os.environ.get("NEEDS", ""))
    print("\n".join(found) or "Every job has succeeded.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
