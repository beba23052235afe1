"""One browser, one MLflow server with two versions, and apps that run as somebody runs them."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from insurance_predictor.base.words import Language
from tests.e2e.chromium import chromium
from tests.e2e.registry import Registry
from tests.e2e.registry import registry as running_registry
from tests.e2e.running_app import App, clone, running
from tests.e2e.visitor import PATIENCE, Visitor, visitor

LOCALES: dict[Language, str] = {"pt": "pt-BR", "en": "en-US"}
OFTEN = {"REGISTRY_CHECK_SECONDS": "1"}  # so that nobody waits a minute for a promotion

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A server where version 2 serves and version 1 did before."""
    with (
        running_registry(tmp_path_factory.mktemp("registry")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in made.variables.items():
            patch.setenv(name, value)
        made.fill()
        yield made


@pytest.fixture(scope="session")
def app(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app that nobody disturbs; its quotes go to a file beside it."""
    with running(clone(tmp_path_factory.mktemp("app")), registry.variables | OFTEN) as started:
        yield started


@pytest.fixture
def visit(browser: Browser, app: App) -> Iterator[Visit]:
    """Opens a window of somebody's own on an app: language, width in pixels, and so on."""
    contexts = []

    def open_window(
        language: Language = "en",
        address: str | None = None,
        width: int = 1280,
        height: int = 900,
        **options: object,
    ) -> Visitor:
        context = browser.new_context(
            locale=LOCALES[language],
            timezone_id="America/Sao_Paulo",
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            **options,
        )
        contexts.append(context)
        return visitor(context, address or app.uri, language)

    yield open_window
    for context in contexts:
        for page in context.pages:
            print(page.url, page.locator("body").aria_snapshot(), sep="\n")  # shown with a failure
        context.close()
