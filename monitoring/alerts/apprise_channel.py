"""Any other service by its address, as apprise writes it: e-mail, PagerDuty, a JSON endpoint."""

from monitoring.alerts.channel import NotSent, Outgoing


class Other:
    """One address; what it takes comes without formatting, the report goes along where it can."""

    can_tell = False

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, outgoing: Outgoing) -> None:
        """Hand the message to the service. Raises NotSent."""
        from apprise import Apprise

        service = Apprise()
        if not service.add(self._url):
            raise NotSent(
                "An address in ALERT_URLS is none that apprise knows. Correct or remove it."
            )
        title, _, body = outgoing.message["plain"].partition("\n")
        report = outgoing.report if outgoing.report and outgoing.report.is_file() else None
        if not service.notify(body.strip() or title, title, attach=report and str(report)):
            name = self._url.partition("://")[0]
            raise NotSent(
                f"The {name}:// service did not take the message. Check its address in ALERT_URLS."
            )

    def found(self, outgoing: Outgoing) -> None:
        """Never anything."""

    def attach(self, outgoing: Outgoing) -> None:
        """Nothing: the report went along with the message."""
