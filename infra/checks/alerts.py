"""Where alerts go; nothing is sent."""

from infra.checks.finding import Finding, check, note, right, wrong
from insurance_predictor.base.settings import Settings


@check("alerts")
def alerts(settings: Settings) -> Finding:
    """Whether what is set is enough to send an alert, and where it would go."""
    webhook, token = settings.slack_webhook_url, settings.slack_bot_token
    if webhook is not None and not webhook.get_secret_value().startswith("https://"):
        return wrong(
            "SLACK_WEBHOOK_URL does not begin with https://",
            "Copy it whole from the app's page of incoming webhooks.",
        )
    if token is not None and settings.slack_channel is None:
        return wrong(
            "SLACK_BOT_TOKEN is set and SLACK_CHANNEL is not", "Set SLACK_CHANNEL=#channel in .env."
        )
    if unknown := _unknown(settings.alert_addresses):
        return wrong(
            f"apprise cannot send to this in ALERT_URLS: {', '.join(unknown)}",
            "Correct or remove it; https://github.com/caronc/apprise lists what there is.",
        )
    places = _places(settings)
    return right("; ".join(places)) if places else note("not set: alerts are printed")


def _places(settings: Settings) -> list[str]:
    """Where every alert goes, without a secret."""
    places = []
    if settings.slack_bot_token is not None:
        places.append(f"a Slack bot posts to {settings.slack_channel}")
    elif settings.slack_webhook_url is not None:
        places.append("a Slack webhook is set")
    if settings.alert_addresses:
        kinds = ", ".join(map(_kind, settings.alert_addresses))
        places.append(f"{len(settings.alert_addresses)} in ALERT_URLS ({kinds})")
    return places


def _unknown(addresses: tuple[str, ...]) -> list[str]:
    """The kinds of those addresses that apprise cannot send to."""
    if not addresses:
        return []
    from apprise import Apprise

    return [_kind(address) for address in addresses if not Apprise().add(address)]


def _kind(address: str) -> str:
    """The beginning of an address: the rest may hold a password."""
    kind, sign, _ = address.partition("://")
    return f"{kind}{sign}" if sign else "one without ://"
