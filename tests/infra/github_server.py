"""A GitHub on this machine: issues, checks and trainings, in pages, and whatever may go wrong."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import SecretStr

from insurance_predictor.base.settings import Settings
from tests.servers import Quiet, host

TOKEN = "ghs-for-tests"
REPOSITORY = "ana/insurance"
MOST = 2  # of a page, so that pages are turned

Found = dict[str, Any]


@dataclass
class GitHub:
    """What it holds, what it was asked, and what it answers next instead.

    A fault is a status with headers, "hang up", "kept and hang up" for an answer that gets lost,
    or None for a request that goes well.
    `forbidden` are the ends of paths that the token may not write to, `hidden` of those that it
    may not read. `trainings` are requests that were taken; each has one of `runs`.
    """

    port: int = 0
    issues: list[Found] = field(default_factory=list)
    comments: list[Found] = field(default_factory=list)
    pulls: list[Found] = field(default_factory=list)
    checks: list[Found] = field(default_factory=list)
    trainings: list[Found] = field(default_factory=list)
    runs: list[Found] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    faults: list[tuple[int, dict[str, str]] | str | None] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    @property
    def writes(self) -> list[str]:
        """The requests that change something, in order."""
        return [one for one in self.asked if not one.startswith("GET")]

    def settings(self, settings: Settings, token: str = TOKEN) -> Settings:
        """`settings` of this repository."""
        return settings.model_copy(
            update={
                "github_token": SecretStr(token),
                "github_repository": REPOSITORY,
                "github_api_url": f"http://127.0.0.1:{self.port}/api/v3/",
            }
        )

    def on(self, issue: int) -> list[str]:
        """The comments of an issue or pull request."""
        return [one["body"] for one in self.comments if one["issue"] == issue]

    def open_issue(self, body: str, labels: tuple[str, ...] = (), **more: object) -> Found:
        """An issue that is there already."""
        return self._new_issue({"title": "An issue", "body": body, "labels": labels, **more})

    def answer(self, method: str, path: str, asked: dict[str, str], body: Found) -> Any:
        """The status and what is found or made there."""
        if method == "GET" and path == "issues":
            return 200, self._listed(asked)
        if method == "GET" and (found := re.fullmatch(r"commits/(\w+)/pulls", path)):
            return 200, [one for one in self.pulls if one["commit"] == found[1]]
        if method == "POST" and path == "issues":
            return 201, self._new_issue(body)
        if method == "GET" and path == "actions/runs":
            return 200, {"total_count": len(self.runs), "workflow_runs": self.runs}
        if method == "POST" and path == "dispatches":
            return self._dispatch(body)
        if method == "POST" and path == "check-runs":
            self.checks.append(body)
            return 201, body
        if found := re.fullmatch(r"issues/(\d+)/comments", path):
            return self._comments(method, int(found[1]), body)
        if found := re.fullmatch(r"issues/comments/(\d+)", path):
            return 200, self._changed(self.comments, "id", int(found[1]), body)
        if found := re.fullmatch(r"issues/(\d+)", path):
            return 200, self._changed(self.issues, "number", int(found[1]), body)
        return 404, {"message": "Not Found"}

    def url(self, path: str) -> str:
        """Where the API has `path` of the repository."""
        return f"http://127.0.0.1:{self.port}/api/v3/repos/{REPOSITORY}/{path}"

    def _new_issue(self, body: Found) -> Found:
        number = len(self.issues) + 1
        kind = "pull" if "pull_request" in body else "issues"
        addresses = {
            "url": self.url(f"issues/{number}"),
            "html_url": f"https://github.com/{REPOSITORY}/{kind}/{number}",
        }
        self.issues.append({"state": "open", **body, "number": number, **addresses})
        return self.issues[-1]

    def _dispatch(self, body: Found) -> Any:
        """Taken without a word; train.yml names its run after the request."""
        self.trainings.append(body)
        self.runs.append({"display_title": f"Retrain {body['client_payload']['id']}"})
        return 204, None

    def _listed(self, asked: dict[str, str]) -> list[Found]:
        found = [one for one in self.issues if asked["labels"] in one["labels"]]
        return found[::-1] if asked["direction"] == "desc" else found

    def _comments(self, method: str, issue: int, body: Found) -> Any:
        if method == "GET":
            ours = [one for one in self.comments if one["issue"] == issue]
            return 200, [{**one, "url": self.url(f"issues/comments/{one['id']}")} for one in ours]
        self.comments.append({**body, "issue": issue, "id": 100 + len(self.comments)})
        return 201, self.comments[-1]

    def _changed(self, things: list[Found], key: str, value: int, body: Found) -> Found:
        (thing,) = [one for one in things if one[key] == value]
        thing.update(body)
        return thing


@contextmanager
def github() -> Iterator[GitHub]:
    """A GitHub with one repository, which one token opens."""
    state = GitHub()

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            split = urlsplit(self.path)
            path = split.path.removeprefix(f"/api/v3/repos/{REPOSITORY}/")
            asked = {name: values[0] for name, values in parse_qs(split.query).items()}
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            state.asked.append(f"{self.command} {path}")
            state.queries.append(asked)
            fault = state.faults.pop(0) if state.faults else None
            if isinstance(fault, tuple):
                self.say(fault[0], {"message": "A fault."}, fault[1])
            elif fault == "hang up":
                self.close_connection = True
            elif self.headers["Authorization"] != f"token {TOKEN}":
                self.say(401, {"message": "Bad credentials"})
            elif path.endswith(tuple(state.hidden if self.command == "GET" else state.forbidden)):
                self.say(403, {"message": "Resource not accessible by integration"})
            else:
                status, found = state.answer(self.command, path, asked, body)
                if fault == "kept and hang up":
                    self.close_connection = True
                elif isinstance(found, list):
                    self.page(path, asked, found)
                else:
                    self.say(status, found)

        do_POST = do_PATCH = do_GET  # noqa: N815 (the names are the server's)

        def page(self, path: str, asked: dict[str, str], found: list[Found]) -> None:
            number, size = int(asked.get("page", 1)), min(MOST, int(asked["per_page"]))
            rest = found[(number - 1) * size :]
            following = urlencode({**asked, "page": number + 1})
            url = f"{state.url(path)}?{following}"
            link = {"Link": f'<{url}>; rel="next"'} if len(rest) > size else {}
            self.say(200, rest[:size], link)

        def say(self, status: int, found: object, headers: dict[str, str] | None = None) -> None:
            content = b"" if found is None else json.dumps(found).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with host(Handler) as port:
        state.port = port
        yield state
