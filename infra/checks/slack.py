"""Where alerts go; nothing is sent."""

from infra.checks.finding import Finding, check, note, right, wrong
from insurance_predictor.base.settings import Settings


@check("Slack")
def slack(settings: Settings) -> Finding:
    """Whether what is set is enough to send an alert."""
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
    if token is not None:
        return right(f"a bot posts to {settings.slack_channel}")
    return right("a webhook is set") if webhook is not None else note("not set: alerts are printed")
