"""Where messages go: the channels that the settings name."""

from hashlib import sha256

from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import Settings

SLACK_BOT = "slack_bot"
SLACK_WEBHOOK = "slack_webhook"
OTHER = "other:"
FORMER_GITHUB = "github"  # of release 0.1, which asked for trainings from here


def configured(settings: Settings) -> tuple[str, ...]:
    """The names of the channels that every message goes to; none where it is to be printed.

    A bot can do all that a webhook can, so of the two only the bot is used. Each address of
    ALERT_URLS is a channel of its own: what one has taken is not sent again because of another.
    Raises InvalidSettings for a bot without a channel.
    """
    if settings.slack_bot_token and not settings.slack_channel:
        raise InvalidSettings(
            "SLACK_BOT_TOKEN is set and SLACK_CHANNEL is not. Set it to the channel's id, or "
            "unset the token."
        )
    slack = [SLACK_BOT] if settings.slack_bot_token else []
    if settings.slack_webhook_url and not slack:
        slack = [SLACK_WEBHOOK]
    return (*slack, *other_urls(settings))


def other_urls(settings: Settings) -> dict[str, str]:
    """The addresses in ALERT_URLS under their channels' names.

    A name says nothing of its address, which may hold a password, and stays when others change.
    """
    urls = settings.alert_addresses
    return {f"{OTHER}{sha256(url.encode()).hexdigest()[:12]}": url for url in urls}
