import time

import pytest

from insurance_predictor.base.errors import RefusedByGate, Unreachable
from insurance_predictor.base.masking import without_secrets


# pragma: allowlist secret
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://host:5000", "http://host:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://host:5000/a?b=c#d, a@b", "http://host:5000/a?b=c#d, a@b"),
        ("http://ana:hush@host:5000/x", "http://ana:***@host:5000/x"),  # pragma: allowlist secret
        ("postgresql://ana:hu/s@h@host/db", "postgresql://ana:***@host/db"),
        ("postgresql://ana:hu sh@host/db", "postgresql://ana:***@host/db"),
        ("postgresql://:hush@host/db", "postgresql://:***@host/db"),
        # pragma: allowlist nextline secret
        ("no route to http://a:hush@h, is it up?", "no route to http://a:***@h, is it up?"),
        # pragma: allowlist nextline secret
        ("http://h:80 is not http://a:hush@h", "http://h:80 is not http://a:***@h"),
        # pragma: allowlist nextline secret
        ("one\nhttp://a:hush@h\nthree", "one\nhttp://a:***@h\nthree"),
        ("https://hush@host/x", "https://***@host/x"),
        ("https://hush:@host/x", "https://***@host/x"),
        ("https://hush:x-oauth-basic@host/x", "https://***@host/x"),  # pragma: allowlist secret
        ("https://host/people/@ana", "https://host/people/@ana"),
        ("pg://h/db?user=ana&password=hush&x=1", "pg://h/db?user=ana&password=***&x=1"),
        ("pg://h/db?sslpassword=hush", "pg://h/db?sslpassword=***"),
        ("https://h/t.csv?sig=hush&se=1", "https://h/t.csv?sig=***&se=1"),
        ("https://h/t?X-Amz-Credential=hush&x=1", "https://h/t?X-Amz-Credential=***&x=1"),
        (
            "https://h/t?AWSAccessKeyId=hush&Signature=hush",
            "https://h/t?AWSAccessKeyId=***&Signature=***",
        ),
        ("https://h/#access_token=hush", "https://h/#access_token=***"),
        ("('https://h/?token=hush') is odd", "('https://h/?token=***') is odd"),
        ("bad option: host=h password=hush", "bad option: host=h password=***"),
    ],
)
def test_no_secret_is_left_in_what_is_shown(text, shown):
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


def test_every_error_of_ours_leaves_secrets_out():
    address = "https://hush@host"
    for error in (Unreachable(f"No answer from {address}."), RefusedByGate("no", (address,))):
        assert "hush" not in str(error)
        assert "https://***@host" in str(error)


@pytest.mark.parametrize(
    "piece",
    ["://a:", "://", "?a", "token", "://a:b c", "a://b:c ", "://a@", "a://b:c@ ", "a=", "@"],
)
@pytest.mark.parametrize("end", ["", "@", "="])
def test_what_somebody_wrote_takes_no_longer_than_its_length(piece, end):
    def seconds(count: int) -> float:
        text = piece * count + end
        return min(_processor_seconds(text) for _ in range(3))

    # 16 times the length: a quadratic search would take 256 times as long.
    assert seconds(32_000) < 100 * max(seconds(2_000), 1e-3)


def _processor_seconds(text: str) -> float:
    begun = time.thread_time()
    without_secrets(text)
    return time.thread_time() - begun
