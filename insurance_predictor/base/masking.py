"""Takes passwords, tokens and signatures out of what is shown: addresses, and texts with them."""

import re

_USER = re.compile(r"[^:/?#@\s]*")
_AUTHORITY = re.compile(r"[^/?#\s]*")
_PORT = re.compile(r":\d{1,5}(?![\w.-])")
_PARAMETER = re.compile(r"((?:^|[?&;#\s])([^=?&;#\s]+)=)([^&\s]*)", re.MULTILINE)
_SECRET = re.compile(
    r"passw|pwd|passphrase|token|secret|signature|credential|access_?key|api_?key|account_?key"
    r"|^sig$|^auth$|^authorization$|^x-(?:amz|goog)-|^odbc_connect$",
    re.IGNORECASE,
)
_CLOSING = "\"')]}>"
# What stands in a password's place when the name before it is the secret.
_NO_PASSWORDS = ("", "x-oauth-basic")


def without_secrets(text: str) -> str:
    """`text` as it may be shown and logged: every password, token and signature in it is `***`.

    A user's name before a password stays, since it helps people; a name alone is masked, since it
    may be a token (https://TOKEN@host). The time is linear in the length of `text`, whatever
    somebody put there.
    """
    shown = "\n".join(map(_without_credentials, text.split("\n")))
    return _PARAMETER.sub(_parameter, shown)


def _without_credentials(line: str) -> str:
    last = line.rfind("@")
    if last < 0:
        return line
    pieces, start, end, at = [], 0, -1, -1
    while (mark := line.find("://", start, last)) >= 0:
        mark += len("://")
        if mark > end:
            end = _end_of_word(line, mark)
            at = line.rfind("@", mark, end)
        shown, after = _credentials(line, mark, at)
        pieces += [line[start:mark], shown]
        start = after
    return "".join([*pieces, line[start:]])


def _end_of_word(line: str, start: int) -> int:
    space = re.compile(r"\s").search(line, start)
    return space.start() if space else len(line)


def _credentials(line: str, start: int, at: int) -> tuple[str, int]:
    """What is shown of those at `start`, and where they end; `at` is the last @ of this word."""
    after_user = _USER.match(line, start).end()  # type: ignore[union-attr]  # it may be empty
    name = line[start:after_user]
    if line[after_user : after_user + 1] == ":":
        if at < after_user and not _PORT.match(line, after_user):
            at = line.find("@", after_user)  # a password may hold spaces
        if at > after_user:  # and it may hold an @
            is_token = line[after_user + 1 : at] in _NO_PASSWORDS and name
            return ("***@" if is_token else f"{name}:***@"), at + 1
        return "", start
    end = _AUTHORITY.match(line, start).end()  # type: ignore[union-attr]  # it may be empty
    at = line.rfind("@", start, end)
    return ("***@", at + 1) if at >= 0 else ("", start)


def _parameter(found: re.Match[str]) -> str:
    if not _SECRET.search(found[2]):
        return found[0]
    value = found[3]
    return f"{found[1]}***{value[len(value.rstrip(_CLOSING)) :]}"  # what encloses it stays
