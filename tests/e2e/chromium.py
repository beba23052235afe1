"""The machine's own Chromium, driven by Playwright, which downloads nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Somebody who tests as root, as in a container, has no sandbox; its shared memory is small there.
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


def program() -> str:
    """The path of the browser. Raises RuntimeError when there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise RuntimeError("There is no Chromium here. On Debian: apt-get install chromium")
    return found
