"""A Slack on this machine: it speaks the protocol, remembers everything, and fails on demand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from insurance_predictor.base.settings import Settings
from tests.servers import PATIENCE, Quiet, host

TOKEN = "xoxb-for-tests"
CHANNEL = "C0ALERTS"
NAME = "alerts"
LINKS = 2  # messages a page of history has, so that pages are turned

# What may happen to a message. Those that are kept arrive, whatever the answer.
LOST = {"429", "500", "hang up", "silence"}
KEPT = {"kept and 500", "kept and hang up", "kept and silence"}


@dataclass
class Slack:
    """What arrived, and what is to happen to the next messages, one fault each."""

    port: int = 0
    faults: list[str] = field(default_factory=list)  # a word of LOST or KEPT, or an error of Slack
    retry_after: str = "0"
    messages: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # methods, in order
    may_look: bool = True
    takes_files: bool = True
    others: set[str] = field(default_factory=set)  # channels of others that the bot is in
    gone: set[str] = field(default_factory=set)  # threads, each by its first message's ts
    never: dict[str, str] = field(default_factory=dict)  # text of a message -> what is said of it
    upload_faults: list[str] = field(default_factory=list)  # of the bytes, then of their place
    over: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)  # with the next message

    def bot(self, settings: Settings, channel: str = CHANNEL, token: str = TOKEN) -> Settings:
        """`settings` of a bot in this Slack."""
        return _changed(
            settings,
            slack_bot_token=token,
            slack_channel=channel,
            slack_api_url=f"http://127.0.0.1:{self.port}/api/",
        )

    def webhook(self, settings: Settings, path: str = "/hook") -> Settings:
        """`settings` of a webhook of this Slack."""
        return _changed(settings, slack_webhook_url=f"http://127.0.0.1:{self.port}{path}")

    @property
    def url(self) -> str:
        """The webhook's, as a variable of the environment has it."""
        return f"http://127.0.0.1:{self.port}/hook"

    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages]


@contextmanager
def slack() -> Iterator[Slack]:
    """A Slack with one channel and one webhook."""
    state = Slack()

    class Handler(Quiet):
        def do_POST(self) -> None:  # noqa: N802 (the name is the server's)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.partition("?")
            if path.startswith("/upload/"):
                self._upload(path, body)
            elif path == "/api/chat.postMessage":
                self._post(json.loads(body))
            elif path == "/hook":
                self._post(json.loads(body) | {"channel": CHANNEL}, is_webhook=True)
            elif path.startswith("/api/"):
                self._answer_question(path.removeprefix("/api/"), parse_qs(body.decode() or query))
            else:
                self._say(404, "no_service")

        def _post(self, message: dict[str, Any], is_webhook: bool = False) -> None:
            state.asked.append("hook" if is_webhook else "chat.postMessage")
            if not is_webhook and (refused := self._refusal(message["channel"])):
                self._json({"ok": False, "error": refused})
                return
            if not is_webhook and message.get("thread_ts") in state.gone:
                self._json({"ok": False, "error": "thread_not_found"})
                return
            if never := state.never.get(message["text"]):
                self._fail(never) if never in LOST else self._json({"ok": False, "error": never})
                return
            fault = state.faults.pop(0) if state.faults else ""
            if fault in LOST | KEPT:
                if fault in KEPT:
                    self._keep(message)
                self._fail(fault.removeprefix("kept and "))
            elif fault:
                self._say(400, fault) if is_webhook else self._json({"ok": False, "error": fault})
            else:
                ts = self._keep(message)
                said = {"ok": True, "ts": ts, "channel": CHANNEL}
                self._say(200, "ok") if is_webhook else self._json(said)

        def _keep(self, message: dict[str, Any]) -> str:
            ts = f"99{len(state.messages):08d}.000100"
            state.messages.append(message | {"ts": ts})
            state.arrived.set()
            return ts

        def _fail(self, how: str) -> None:
            if how == "silence":
                state.over.wait(PATIENCE)
            if how in ("silence", "hang up"):
                self.close_connection = True
            elif how == "429":
                self._say(429, '{"ok": false, "error": "ratelimited"}', state.retry_after)
            else:
                self._say(500, "<html>Server Error</html>")

        def _answer_question(self, method: str, asked: dict[str, list[str]]) -> None:
            state.asked.append(method)
            channel = asked.get("channel", asked.get("channel_id", [CHANNEL]))[0]
            if method == "conversations.list":
                self._json({"ok": True, "channels": [{"id": CHANNEL, "name": NAME}]})
            elif method.startswith("conversations.") and not state.may_look:
                self._json({"ok": False, "error": "missing_scope"})
            elif refused := self._refusal(channel, is_by_id=True):
                self._json({"ok": False, "error": refused})
            elif asked.get("ts", [""])[0] in state.gone:
                self._json({"ok": False, "error": "thread_not_found"})
            elif method.startswith("files.") and not state.takes_files:
                self._json({"ok": False, "error": "missing_scope"})
            elif method == "conversations.history":
                self._page([m for m in state.messages if "thread_ts" not in m], asked)
            elif method == "conversations.replies":
                thread = asked["ts"][0]
                self._page(
                    [m for m in state.messages if thread in (m["ts"], m.get("thread_ts"))]
                    + [{"files": [f]} for f in state.files if f["thread_ts"] == thread],
                    asked,
                )
            elif method == "files.getUploadURLExternal":
                name = asked["filename"][0]
                url = f"http://127.0.0.1:{state.port}/upload/{name}"
                self._json({"ok": True, "file_id": name, "upload_url": url})
            else:
                self._complete(asked)

        def _page(self, found: list[dict[str, Any]], asked: dict[str, list[str]]) -> None:
            start = int(asked.get("cursor", ["0"])[0])
            newest_first = found[::-1][start : start + LINKS]
            more = str(start + LINKS) if start + LINKS < len(found) else ""
            said = [m if "include_all_metadata" in asked else _bare(m) for m in newest_first]
            self._json({"ok": True, "messages": said, "response_metadata": {"next_cursor": more}})

        def _upload(self, path: str, body: bytes) -> None:
            fault = state.upload_faults.pop(0) if state.upload_faults else ""
            self._fail(fault) if fault else self._say(200, f"OK - {len(body)}")

        def _complete(self, asked: dict[str, list[str]]) -> None:
            for one in json.loads(asked["files"][0]):
                file = {"name": one["id"], "title": one["title"]}
                file["channel_id"] = asked["channel_id"][0]
                state.files.append(file | {"thread_ts": asked["thread_ts"][0]})
            fault = state.upload_faults.pop(0) if state.upload_faults else ""
            self._fail(fault) if fault else self._json({"ok": True, "files": [{"id": "F1"}]})

        def _refusal(self, channel: str, is_by_id: bool = False) -> str:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return "invalid_auth"
            known = {CHANNEL, *state.others} | (set() if is_by_id else {NAME, f"#{NAME}"})
            return "" if channel in known else "channel_not_found"

        def _json(self, said: dict[str, Any]) -> None:
            self._say(200, json.dumps(said), kind="application/json")

        def _say(
            self, status: int, said: str, retry_after: str = "", kind: str = "text/plain"
        ) -> None:
            self.send_response(status)
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

    with host(Handler) as state.port:
        try:
            yield state
        finally:
            state.over.set()


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "metadata"}


def _changed(settings: Settings, **values: object) -> Settings:
    """`settings` with `values`, validated."""
    return Settings(**settings.model_dump() | values)
