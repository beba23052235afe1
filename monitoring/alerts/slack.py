"""Slack: messages in threads with a bot's token, or without an answer through a webhook."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import (
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.http_retry.handler import RetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient

from insurance_predictor.base.settings import Settings
from monitoring.alerts.channel import NotSent, Outgoing, no_report

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse

TIMEOUT = 10  # seconds of silence
RETRIES = 2
MOST_PATIENCE = 30  # seconds that Slack may ask us to wait before a run leaves it to the next
CLOCKS = 600.0  # seconds that Slack's clock and ours may differ
PAGE = 200  # messages
EVENT_TYPE = "insurance_predictor_alert"

# What Slack says of a message that it will never take.
UNACCEPTABLE = {
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_payload",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
    "invalid_metadata_format",
    "invalid_metadata_schema",
    "metadata_too_large",
}
# "It's possible some aspect of the operation succeeded before the error was raised."
DOUBTFUL = {"internal_error", "fatal_error"}
BUSY = {"ratelimited", "rate_limited", "service_unavailable", "request_timeout"}
# Of a thread, or a channel, that is no more or not where we may write.
NO_THREAD = {"thread_not_found", "cannot_reply_to_message", "message_not_found"}
NO_THREAD |= {"channel_not_found", "is_archived", "not_in_channel"}
NO_RIGHT = "missing_scope"
REMEDIES = {
    "invalid_auth": "Check SLACK_BOT_TOKEN",
    "not_authed": "Set SLACK_BOT_TOKEN",
    "account_inactive": "Install the Slack app again and change SLACK_BOT_TOKEN",
    "token_revoked": "Install the Slack app again and change SLACK_BOT_TOKEN",
    "token_expired": "Install the Slack app again and change SLACK_BOT_TOKEN",
    NO_RIGHT: "Give the Slack app the scopes of docs/runbook.md",
    "channel_not_found": "Check SLACK_CHANNEL, and invite the app to a private channel",
    "not_in_channel": "Invite the app to SLACK_CHANNEL",
    "is_archived": "Change SLACK_CHANNEL",
    "channel_is_archived": "Change SLACK_WEBHOOK_URL",
    "no_service": "Make a new SLACK_WEBHOOK_URL: this one was revoked",
    "no_team": "Change SLACK_WEBHOOK_URL",
    "invalid_token": "Change SLACK_WEBHOOK_URL",
}


class Bot:
    """Writes to SLACK_CHANNEL, answers in the incident's thread, and can look what is there.

    A place is "channel:ts", with the channel's id.
    """

    can_tell = True

    def __init__(self, settings: Settings, timeout: int = TIMEOUT) -> None:
        token = settings.slack_bot_token
        self._token = token.get_secret_value() if token else ""
        self._channel = settings.slack_channel or ""
        self._id = ""  # the channel's, once Slack has named it
        self._base = settings.slack_api_url
        self._timeout = timeout

    def send(self, outgoing: Outgoing) -> str | None:
        """The place of the message, which is posted once. Raises NotSent."""
        return self._post(outgoing, *self._address(outgoing))

    def found(self, outgoing: Outgoing) -> str | None:
        """The place of the message with the outbox's id, None where there is none.

        Raises NotSent when Slack does not answer. For who may not look, there is none.
        """
        try:
            with _translated():
                return next(self._places(outgoing), None)
        except NotSent as trouble:
            if trouble.word in NO_THREAD or trouble.word in REMEDIES:
                return None
            raise

    def attach(self, outgoing: Outgoing) -> None:
        """Put the report into the thread unless it is there. Raises NotSent.

        Who may not look what is there puts it there.
        """
        _, thread = self._address(outgoing)
        name = f"report_{outgoing.id}.html"
        if not thread or outgoing.report is None:
            return
        with _translated():
            channel = self._channel_id()
        if self._has_file(channel, thread, name):
            return
        if not outgoing.report.is_file():
            raise no_report()
        with _translated():
            self._reader().files_upload_v2(
                channel=channel,
                thread_ts=thread,
                filename=name,
                title="report.html",
                file=str(outgoing.report),
            )

    def _address(self, outgoing: Outgoing) -> tuple[str, str | None]:
        """SLACK_CHANNEL, and the thread there: whoever writes to the log names no other channel."""
        thread = in_channel(outgoing.thread, self._channel)
        return self._channel, thread.partition(":")[2] or None if thread else None

    def _post(self, outgoing: Outgoing, channel: str, thread: str | None) -> str:
        """One call; what may have arrived is not tried again here, for Slack can be asked."""
        client = self._client([_patience(), Unconnected(RETRIES)])
        with _translated():
            answer = client.chat_postMessage(
                channel=channel,
                text=outgoing.message["text"],
                blocks=outgoing.message["blocks"],
                metadata={"event_type": EVENT_TYPE, "event_payload": {"id": outgoing.id}},
                thread_ts=thread,
                reply_broadcast=True if thread and outgoing.event == "resolved" else None,
                unfurl_links=False,
                unfurl_media=False,
            )
        self._id = str(answer["channel"])
        return f"{self._id}:{answer['ts']}"

    def _places(self, outgoing: Outgoing) -> Iterator[str]:
        _, thread = self._address(outgoing)
        channel = self._channel_id()
        oldest = f"{outgoing.time.timestamp() - CLOCKS:.6f}"
        asked: dict[str, Any] = {"channel": channel, "oldest": oldest, "limit": PAGE}
        asked["include_all_metadata"] = True
        yield from self._ours(outgoing, channel, self._reader().conversations_history(**asked))
        if thread:
            replies = self._reader().conversations_replies(ts=thread, **asked)
            yield from self._ours(outgoing, channel, replies)

    def _ours(self, outgoing: Outgoing, channel: str, pages: "SlackResponse") -> Iterator[str]:
        for message in _messages(pages):
            payload = message.get("metadata", {}).get("event_payload", {})
            if payload.get("id") == outgoing.id:
                yield f"{channel}:{message['ts']}"

    def _channel_id(self) -> str:
        """Slack can be asked about a channel by its id only; a name, in small letters, is found."""
        if _is_id(self._channel):
            return self._channel
        self._id = self._id or self._found_id()
        return self._id

    def _found_id(self) -> str:
        name = self._channel.removeprefix("#")
        pages = self._reader().conversations_list(
            types="public_channel,private_channel", exclude_archived=True, limit=PAGE
        )
        for page in pages:
            for one in page["channels"]:
                if one["name"] == name:
                    return str(one["id"])
        return self._channel

    def _has_file(self, channel: str, thread: str, name: str) -> bool:
        try:
            with _translated():
                pages = self._reader().conversations_replies(channel=channel, ts=thread, limit=PAGE)
                files = (file for message in _messages(pages) for file in message.get("files", []))
                return any(file.get("name") == name for file in files)
        except NotSent as trouble:
            if trouble.word == NO_RIGHT:
                return False
            raise

    def _reader(self) -> WebClient:
        """For calls that may be repeated."""
        handlers = [_patience(), Unconnected(RETRIES), ServerErrorRetryHandler(RETRIES)]
        return self._client(handlers)

    def _client(self, handlers: list[RetryHandler]) -> WebClient:
        return WebClient(
            token=self._token,
            base_url=self._base,
            timeout=self._timeout,
            logger=_no_log(),
            retry_handlers=handlers,
        )


def in_channel(place: str | None, channel: str) -> str | None:
    """A place that is in `channel`, an id; of a name nobody can say which places are there."""
    is_elsewhere = _is_id(channel) and (place or "").partition(":")[0] != channel
    return None if is_elsewhere else place


class Webhook:
    """Writes to the channel of SLACK_WEBHOOK_URL; nobody can ask what has arrived there."""

    can_tell = False

    def __init__(self, settings: Settings, timeout: int = TIMEOUT) -> None:
        url = settings.slack_webhook_url
        self._url = url.get_secret_value() if url else ""
        self._timeout = timeout

    def send(self, outgoing: Outgoing) -> None:
        """Post the message. Raises NotSent."""
        client = WebhookClient(
            self._url,
            timeout=self._timeout,
            logger=_no_log(),
            retry_handlers=[
                _patience(),
                Unconnected(RETRIES),
                ServerErrorRetryHandler(RETRIES),
            ],
        )
        with _translated():
            answer = client.send(
                text=outgoing.message["text"],
                blocks=outgoing.message["blocks"],
                unfurl_links=False,
                unfurl_media=False,
            )
        if answer.status_code != 200:
            raise _refusal(answer.status_code, _short(answer.body.strip()), answer.headers)

    def found(self, outgoing: Outgoing) -> None:
        """Never anything."""

    def attach(self, outgoing: Outgoing) -> None:
        """Nothing: a webhook takes no files, and the message links to the report."""


class Unconnected(RetryHandler):
    """Tries again when not a byte can have reached Slack."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        return response is None and error is not None and _never_left(error)


class Patience(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks for, unless that is longer than a run may take."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or response.status_code != 429:
            return False
        headers = {name.lower(): value for name, value in response.headers.items()}
        asked = headers.get("retry-after", ["1"])[0]
        return asked.isdigit() and int(asked) <= MOST_PATIENCE


def _is_id(channel: str) -> bool:
    return channel.isupper()


def _patience() -> Patience:
    return Patience(max_retry_count=RETRIES)


def _no_log() -> logging.Logger:
    """What happens is told by exceptions; the library's log would show the webhook's URL."""
    return logging.Logger("slack", level=logging.CRITICAL)


def _messages(pages: "SlackResponse") -> Iterator[dict[str, Any]]:
    for page in pages:
        yield from page["messages"]


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what slack_sdk raises into NotSent."""
    try:
        yield
    except SlackApiError as error:
        answer = error.response
        raise _refusal(answer.status_code, _word(answer), answer.headers) from error
    except HTTPError as error:  # of an upload, whose answer the library does not read
        raise NotSent(f"Slack answered {error.code}.") from error
    except (OSError, HTTPException, ValueError, SlackClientError) as error:
        why = error.reason if isinstance(error, URLError) else error
        raise NotSent(
            f"Slack does not answer: {_short(why) or type(why).__name__}. "
            "Check the network, and SLACK_API_URL or SLACK_WEBHOOK_URL.",
            is_doubtful=not _never_left(error),
            is_of_channel=_never_left(error),
        ) from error


def _never_left(error: Exception) -> bool:
    """Whether the connection was never there: what breaks off later may have arrived."""
    if not isinstance(error, URLError) or isinstance(error, HTTPError):
        return False
    reason = error.reason
    return not isinstance(reason, ConnectionError) or isinstance(reason, ConnectionRefusedError)


def _word(response: Any) -> str:
    """Slack's word for what is wrong; a beginning of the answer when it was none of Slack's."""
    data = response.data
    return _short(data.get("error", "")) if isinstance(data, dict) else ""


def _refusal(status: int, word: str, headers: Mapping[str, str]) -> NotSent:
    if status == 429 or word in BUSY:
        wait = {name.lower(): value for name, value in headers.items()}.get("retry-after", "some")
        return NotSent(
            f"Slack has too many messages from here; it asks for {wait} seconds.",
            word,
            is_of_channel=True,
        )
    if status >= 500 or word in DOUBTFUL:
        return NotSent(f"Slack is in trouble: {status} {word}.", word, is_doubtful=True)
    if word in UNACCEPTABLE:
        return NotSent(f"Slack will not take this message: {word}.", word, is_final=True)
    remedy = REMEDIES.get(word, "Check the Slack app, SLACK_CHANNEL and the token or webhook")
    return NotSent(
        f"Slack refuses: {word or status}. {remedy}.",
        word,
        is_gone=word in NO_THREAD,
        is_of_channel=word in REMEDIES,
    )


def _short(text: object) -> str:
    return str(text).partition("\n")[0][:120].rstrip(".")
