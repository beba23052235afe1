"""The version in production, served from disk at once and replaced only by one that was checked."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread, Timer
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import (
    InsurancePredictorError,
    IntegrityFault,
    NotFound,
    Unreachable,
)
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import folder_sha256
from insurance_predictor.model.pair import PairOnDisk, open_pair
from insurance_predictor.serving.documents import NOTHING, Documents, read_documents
from insurance_predictor.serving.predictor import Predictor, fetch_version
from insurance_predictor.serving.version_cache import Kept, find, keep, note
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.store.version_facts import VersionFacts, read_facts
from insurance_predictor.store.versions import Version, version_behind

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOGGER = logging.getLogger(__name__)
# Seconds for the registry to name the version, after the 5 that `connect` gives it to be there.
ANSWER_PATIENCE = 5.0
# Seconds that somebody waits for a first version, from the moment it was asked for.
FIRST_PATIENCE = 20.0
# Seconds until the registry is asked again when nothing serves, if it is not asked more often.
NOTHING_SERVES = 5.0
# The registry, model and alias that were asked for last, and the answer that is awaited.
_ASKED: dict[tuple[str, str, str], Future[Version]] = {}


@dataclass(frozen=True, eq=False)
class Served:
    """A checked version, when the registry last answered (UTC), and what is wrong, if anything.

    `problem` says why the registry cannot be asked now. `refusal` says why what it names now is
    not served: a version that was refused, or none at all. `is_whole` is False for what an earlier
    release kept on disk: only its pair was checked, so the rest is fetched anew.
    """

    predictor: Predictor
    facts: VersionFacts
    documents: Documents
    checked: datetime
    problem: str | None = None
    refusal: str | None = None
    is_whole: bool = True

    @property
    def is_stale(self) -> bool:
        """Whether the registry could not be asked if this version still serves."""
        return self.problem is not None


Tell = Callable[[Served | Exception, float], None]


def read(settings: Settings, *, to_predict: bool = True) -> Served | None:
    """The version kept on disk, verified; None when there is none, or not for these settings.

    The registry is not asked, and neither MLflow nor an HTTP library is imported. Who does not want
    it `to_predict` has its model loaded and tried no sooner than it is asked all the same.
    """
    tried = None
    while True:
        kept = find(settings)
        if kept is None or kept.folder == tried:
            return None
        try:
            return _open(settings, kept, to_predict=to_predict)
        except (OSError, IntegrityFault) as error:  # or another process has switched meanwhile
            LOGGER.warning("What is kept in %s is not served: %s", settings.model_cache, error)
        tried = kept.folder


def refresh(settings: Settings, before: Served | None, *, to_predict: bool = True) -> Served:
    """The version that the registry names now, fetched, checked and kept on disk if it is new.

    Where that cannot be had, `before` goes on serving and says why. Without a `before`, raises
    NoProductionModel or NotFound when there is no such version, IntegrityFault when it is
    refused, Unreachable or InvalidSettings when the registry cannot be asked. `to_predict` is as in
    `read`; a version that is new here is always tried.
    """
    try:
        with store_errors(settings):
            return _named_now(settings, before, to_predict)
    except Exception as error:  # whatever it is, people who ask for a quote still get one
        if before is None:
            raise
        return _staying(before, error)


class ServedModel:
    """The version that serves a process which goes on, refreshed behind the people it serves.

    What is kept on disk answers at once. Nobody waits for the registry, except who comes first when
    nothing is kept, and nobody longer than FIRST_PATIENCE; it is asked again, in a thread of its
    own and `head_start` seconds later, when somebody comes after `registry_check_seconds`. There is
    one such thread at most, however long it hangs. `tell` hears how each look at it ended, with
    what serves now or the error why nothing does, and the milliseconds that it took.
    """

    def __init__(self, settings: Settings, head_start: float, tell: Tell) -> None:
        self._settings = settings
        self._head_start = head_start
        self._tell = tell
        self._deciding = Lock()
        self._looking = Lock()  # held from the moment that a look is due until it has ended
        self._began = -inf  # and the next, by the monotonic clock
        self._due = -inf
        self._has_ended = Event()
        self._served = read(settings)
        self._error: Exception | None = None

    def current(self) -> Served:
        """What serves now. Raises what `refresh` raised when nothing ever has."""
        is_first = self._served is None and self._error is None
        with self._deciding:
            if time.monotonic() >= self._due:
                self._look(0.0 if is_first else self._head_start)
        if is_first:
            self._has_ended.wait(max(0.0, self._began + FIRST_PATIENCE - time.monotonic()))
        if self._served is None:
            # Without its past: it is raised again for everybody.
            raise (self._error or _too_long()).with_traceback(None)
        if self._is_overdue():
            return replace(self._served, problem=str(_too_long()))
        return self._served

    def refresh(self) -> None:
        """Look at the registry, unless somebody does; what serves stays when that fails."""
        if self._looking.acquire(blocking=False):
            self._begin(0.0)
            self._refresh()

    def try_again(self) -> None:
        """Have the next visitor ask the registry at once, whatever the last look said."""
        self._error, self._due = None, -inf

    def _look(self, delay: float) -> None:
        """Look at the registry in a thread of its own, `delay` seconds later; one at a time."""
        if not self._looking.acquire(blocking=False):
            return
        self._begin(delay)
        thread = Timer(delay, self._refresh) if delay else Thread(target=self._refresh)
        thread.daemon = True
        thread.start()

    def _begin(self, delay: float) -> None:
        self._began = time.monotonic() + delay
        self._due = time.monotonic() + self._settings.registry_check_seconds
        self._has_ended.clear()

    def _refresh(self) -> None:
        outcome: Served | Exception
        start = time.monotonic()
        try:
            outcome = self._served = refresh(self._settings, self._served)
        except Exception as error:  # whatever it is, the next look may succeed
            outcome = self._error = error
            if self._served is None:
                self._due = min(self._due, time.monotonic() + NOTHING_SERVES)
        try:
            self._tell(outcome, round(1000 * (time.monotonic() - start), 1))
        finally:
            self._has_ended.set()
            self._looking.release()

    def _is_overdue(self) -> bool:
        return self._looking.locked() and time.monotonic() > self._began + FIRST_PATIENCE


def _too_long() -> Unreachable:
    return Unreachable(
        f"The version in production did not arrive within {FIRST_PATIENCE:g} s. Check that the "
        "registry and its storage are running and that this machine reaches them; `make doctor` "
        "looks at each of them."
    )


def _named_now(settings: Settings, before: Served | None, to_predict: bool) -> Served:
    client = connect(settings)
    version = _named(client, settings)
    checked = datetime.now(UTC)
    good = _already_good(settings, before, version, to_predict)
    if good is None:
        return _fetched(client, settings, version, checked)
    facts = good.facts
    if not facts.is_current(version):
        facts = read_facts(client, settings, version)
    _on_disk(settings, lambda: note(settings, facts, checked))
    predictor = good.predictor
    if predictor.incarnation != facts.incarnation:  # an earlier release did not ask for it
        predictor = replace(predictor, incarnation=facts.incarnation)
    return replace(
        good, predictor=predictor, facts=facts, checked=checked, problem=None, refusal=None
    )


def _named(client: "MlflowClient", settings: Settings) -> Version:
    """The version that the registry names. Raises Unreachable when that takes too long.

    A request has a time limit of its own, which is longer and holds for each one; so whoever asks
    is left behind, and whoever comes while that hangs waits for the same answer.
    """
    question = (settings.mlflow_tracking_uri, settings.model_name, settings.production_alias)
    answer = _ASKED.get(question)
    if answer is None or answer.done():
        answer = _ASKED[question] = Future()
        Thread(target=_ask, args=(client, settings, answer), daemon=True).start()
    try:
        return answer.result(ANSWER_PATIENCE)
    except TimeoutError as error:
        raise Unreachable(
            f"The registry did not name the version in production within {ANSWER_PATIENCE:g} s. "
            "Look at its log and its database."
        ) from error


def _ask(client: "MlflowClient", settings: Settings, answer: Future[Version]) -> None:
    try:
        answer.set_result(version_behind(client, settings, settings.production_alias))
    except Exception as error:  # raised again where the answer is awaited
        answer.set_exception(error)


def _already_good(
    settings: Settings, before: Served | None, version: Version, to_predict: bool
) -> Served | None:
    """What serves already, or what another process has fetched, when it is `version`."""
    if before is not None and before.is_whole and before.facts.is_of(version):
        return before
    kept = find(settings)
    if kept is None or kept.is_former or not kept.facts.is_of(version):
        return None
    found = read(settings, to_predict=to_predict)
    return found if found is not None and found.facts.is_of(version) else None


def _fetched(
    client: "MlflowClient", settings: Settings, version: Version, checked: datetime
) -> Served:
    # What the registry knows of it is read while its files are fetched, loaded and tried.
    with TemporaryDirectory() as temporary, ThreadPoolExecutor(1) as beside:
        files = Path(temporary)
        facts = beside.submit(read_facts, client, settings, version)
        predictor = fetch_version(client, settings, version, files)
        _on_disk(settings, lambda: keep(settings, files, facts.result(), checked))
        return Served(predictor, facts.result(), read_documents(files), checked)


def _on_disk(settings: Settings, write: Callable[[], None]) -> None:
    """A folder that cannot be written costs the next start its head start, and no quote."""
    try:
        write()
    except OSError as error:
        LOGGER.warning("%s cannot be written: %s", settings.model_cache, error)


def _staying(before: Served, error: Exception) -> Served:
    number = before.facts.version
    if isinstance(error, IntegrityFault | NotFound):
        if str(error) != before.refusal:
            LOGGER.error("Version %s goes on serving: %s", number, error)
        return replace(before, checked=datetime.now(UTC), problem=None, refusal=str(error))
    if not isinstance(error, InsurancePredictorError):
        LOGGER.error("Version %s goes on serving after a fault of ours", number, exc_info=error)
        return replace(before, problem=f"{type(error).__name__}: {error}")
    if before.problem is None:
        LOGGER.warning("Version %s goes on serving: %s", number, error)
    return replace(before, problem=str(error))


def _open(settings: Settings, kept: Kept, *, to_predict: bool) -> Served:
    folder, facts = settings.model_cache / kept.folder, kept.facts
    owner = f"Version {facts.version}"
    if folder_sha256(folder) != kept.sha256:
        raise IntegrityFault(f"{owner} is refused: its files in {folder} have changed.")
    documents = NOTHING if kept.is_former else read_documents(folder)
    # What has no premiums beside it has to make them.
    opened = open_pair if to_predict or documents.fitted is None else PairOnDisk
    pair = opened(folder, facts.digests, owner, settings.trusted_digests)
    predictor = Predictor(facts.version, pair, facts.incarnation)
    return Served(predictor, facts, documents, kept.checked, is_whole=not kept.is_former)
