"""Checks docker-compose.yml, as Compose understands it, against the rules of every container here.

`python -m infra.check_compose [FILE]` prints one line for each fault and ends with 1 if there is
one. It runs the Compose of our lock file, so it needs neither Docker nor an `.env`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from insurance_predictor.base.command_line import say
from insurance_predictor.base.errors import BadInput, InsurancePredictorError

Service = Mapping[str, Any]  # one service of `docker compose config --format json`

# Stands in for every secret, so that a value without it was written into the file.
MADE = "made-for-the-check"
REQUIRED = re.compile(r"\$\{(\w+):?\?")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|ROOT_USER|WEBHOOK")
SECRET_IN_URL = re.compile(r"://[^/@\s]*:([^/@\s]+)@")
EXACT_TAG = re.compile(r"(:[\w.-]*\d+[.-]\d[\w.-]*|@sha256:[0-9a-f]{64})$")
LOCALHOST = ("127.0.0.1", "::1")
STAYS_UP = ("always", "unless-stopped")


def main() -> None:
    """Print the faults of the file that the command line names, and end with 1 if there are any."""
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "docker-compose.yml")
    try:
        found = [*unguarded(file), *faults(read_config(file))]
    except InsurancePredictorError as error:
        say(f"error: {error}", to_stderr=True)
        sys.exit(error.exit_code)
    for fault in found:
        say(f"{file}: {fault}")
    sys.exit(1 if found else 0)


def read_config(file: Path) -> dict[str, Any]:
    """What Compose makes of `file` with every profile, each required variable being MADE.

    Raises BadInput with Compose's own words when it refuses the file.
    """
    made = dict.fromkeys(REQUIRED.findall(file.read_text()), MADE)
    done = _compose(file, made)
    if done.returncode:
        raise BadInput(f"Compose refuses {file}: {done.stderr.strip()}")
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def unguarded(file: Path) -> Iterator[str]:
    """Variables that may be forgotten, or whose refusal does not say what to do."""
    refusal = _compose(file, {})
    if not refusal.returncode:
        yield "it starts without a single secret. Write ${NAME:?run make env}."
    for line in refusal.stderr.splitlines():
        if "required variable" in line and "make env" not in line:
            yield f"{line.strip()} - and does not name `make env`."
    for name in sorted(set(re.findall(r'\\"(\w+)\\" variable is not set', refusal.stderr))):
        yield f"{name} is empty when unset. Write ${{{name}:?run make env}} or a default."


def faults(config: Mapping[str, Any]) -> list[str]:
    """A sentence for each rule that a service of `config` breaks."""
    return [
        f"{name}: {fault}"
        for name, service in sorted(config["services"].items())
        for rule in RULES
        for fault in rule(service)
    ]


def memory_limit(service: Service) -> Iterator[str]:
    """One container may not take the memory of the others."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not (service.get("mem_limit") or limits.get("memory")):
        yield "it may take all memory. Set mem_limit."


def read_only_root(service: Service) -> Iterator[str]:
    """What breaks in leaves nothing behind."""
    if not service.get("read_only"):
        yield "its root file system can be written. Set read_only: true, and tmpfs where needed."


def no_capabilities(service: Service) -> Iterator[str]:
    """No process needs a right of root; one that does is added by name."""
    if "ALL" not in service.get("cap_drop", []):
        yield "it keeps capabilities. Set cap_drop: [ALL]."


def no_new_privileges(service: Service) -> Iterator[str]:
    """A setuid program inside gives nobody more rights."""
    allowed = ("no-new-privileges", "no-new-privileges:true")
    if not set(allowed) & set(service.get("security_opt", [])):
        yield 'it may gain privileges. Set security_opt: ["no-new-privileges:true"].'


def rotated_log(service: Service) -> Iterator[str]:
    """A log may not fill the disk."""
    options = service.get("logging", {}).get("options", {})
    if not {"max-size", "max-file"} <= options.keys():
        yield "its log grows without end. Set max-size and max-file under logging.options."


def restart_policy(service: Service) -> Iterator[str]:
    """What happens after a crash is a decision; `no` is one too."""
    if not service.get("restart"):
        yield 'it has no restart policy. Set restart: unless-stopped, or "no" for one that ends.'


def tested_health(service: Service) -> Iterator[str]:
    """A service that stays up is tested; one that ends is judged by its exit code."""
    if service.get("restart") not in STAYS_UP:
        return
    check = service.get("healthcheck", {})
    if check.get("disable") or check.get("test", ["NONE"])[0] == "NONE":
        yield "nothing tests its health. Set a healthcheck."


def local_ports(service: Service) -> Iterator[str]:
    """Published for this machine, not for its network."""
    for port in service.get("ports", []):
        if port.get("host_ip") not in LOCALHOST:
            yield f"port {port['target']} is open to the network. Publish it on 127.0.0.1."
    if service.get("network_mode") == "host":
        yield "it listens on the machine's own network. Publish ports on 127.0.0.1 instead."


def exact_image(service: Service) -> Iterator[str]:
    """The same image today and next year."""
    image = service.get("image", "")
    if not EXACT_TAG.search(image):
        yield f"its image {image!r} has no exact version. Write NAME:1.2.3."


def named_volumes(service: Service) -> Iterator[str]:
    """Data lives in volumes; a folder of the host is not there in Codespaces."""
    for volume in service.get("volumes", []):
        if volume["type"] != "volume" or not volume.get("source"):
            yield f"{volume['target']} is no named volume. Name one, or use tmpfs."


def no_written_secrets(service: Service) -> Iterator[str]:
    """Secrets come from outside the file. An empty value switches something off."""
    for name, value in (service.get("environment") or {}).items():
        for secret in _secrets(name, value or ""):
            if MADE not in secret:
                yield f"{name} holds a secret that stands in the file. Use ${{NAME:?run make env}}."


RULES: tuple[Callable[[Service], Iterator[str]], ...] = (
    memory_limit,
    read_only_root,
    no_capabilities,
    no_new_privileges,
    rotated_log,
    restart_policy,
    tested_health,
    local_ports,
    exact_image,
    named_volumes,
    no_written_secrets,
)


def _secrets(name: str, value: str) -> list[str]:
    in_urls: list[str] = SECRET_IN_URL.findall(value)
    return [*in_urls, *([value] if value and SECRET_NAME.search(name) else [])]


def _compose(file: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`docker compose config` of `file`, which sees `variables` and nothing else of ours."""
    program = str(Path(sys.executable).with_name("docker-compose"))
    options = ["--file", str(file), "--env-file", os.devnull, "--profile", "*"]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(  # noqa: S603 - the program of our lock file
        [program, *options, "config", "--format", "json"],
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


if __name__ == "__main__":
    main()
