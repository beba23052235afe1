"""The health check: asks the server, as its administrator, for something from the database."""

import base64
import os
import sys
import urllib.request


def main() -> None:
    """End with 0 when the server lets its administrator in and its database answers."""
    port = os.environ.get("MLFLOW_PORT", "5000")
    user = os.environ["MLFLOW_AUTH_ADMIN_USERNAME"]
    credentials = f"{user}:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get?experiment_id=0",
        headers={"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()},
    )
    try:
        urllib.request.urlopen(request, timeout=8).close()  # noqa: S310 - ourselves
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
