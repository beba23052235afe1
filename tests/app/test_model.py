"""The page about the version that answers."""

from collections.abc import Callable

from app import serving, text
from app.views.model import AS_SHARE
from insurance_predictor.base.foreign_text import without_links
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import MANIFEST_TAG
from insurance_predictor.model.run_layout import MODEL_CARD
from insurance_predictor.release.promotion import promote
from insurance_predictor.store import versions
from insurance_predictor.store.versions import Version
from tests.app.conftest import copied, in_both_languages, page, words
from tests.planting import Planted, StoredFiles, former_tags, plant, write_version


@in_both_languages
def test_what_is_told_of_the_first_version(quoting: Version, language: str):
    visit = page(language, "model")
    shown = words(visit)
    facts = serving.served().facts
    identity = visit.table[0].value.to_string()
    for value in ("1", "producao", facts.run_id, str(facts.dataset)):
        assert value in identity.replace("\\", "")
    for title in (text.METRICS, text.SLICES, text.PLOTS, text.LEDGER):
        assert title(language) in shown
    assert text.NO_PREVIOUS(language) in shown
    assert "# Model card" in shown
    assert len(visit.image) == 4
    assert not visit.warning


CARD = "# Card\n\n![x](https://outside.example/x.png) <b>[y](javascript:alert(1))</b>"


def test_a_card_is_read_and_leads_nowhere(
    place: Callable[..., None], client, settings: Settings, sample, trained, language: str
):
    """Whoever trained has written it: no digest says what is in it."""

    def forge(files: StoredFiles) -> None:
        (files.run / MODEL_CARD).write_text(CARD)

    run_id = plant(client, settings, sample, Planted(trained.trained, 1, forge=forge))
    number = write_version(client, settings, run_id).number
    versions.set_alias(client, settings, settings.production_alias, number)
    shown = words(page(language, "model"))
    assert without_links(CARD) in shown
    assert CARD not in shown


@in_both_languages
def test_of_a_version_without_a_manifest_the_card_and_plots_are_not_shown(
    place: Callable[..., None], client, settings: Settings, production: Version, language: str
):
    digests = former_tags(client, production.run_id, production.source)
    place("TRUSTED_PICKLES", digests["preprocessor_sha256"])
    serving.try_again()  # which reads the settings anew
    former = copied(client, settings, production, **digests)
    versions.delete_tag(client, settings, former.number, MANIFEST_TAG)
    versions.set_alias(client, settings, settings.production_alias, former.number)
    visit = page(language, "model")
    assert text.CARD_UNPROVEN(language) in words(visit)
    assert "# Model card" not in words(visit)
    assert len(visit.image) == 0
    assert serving.served().documents.reference is None  # its run does not vouch for them


def test_every_metric_has_its_interval(quoting: Version, language: str):
    visit = page(language, "model")
    metrics = visit.table[1].value
    assert metrics[text.METRIC_HEADER(language)].tolist()[0].startswith("RMSE")
    assert len(metrics) == len(text.METRICS_BY_NAME)
    assert (metrics[text.INTERVAL_HEADER(language)] != "").sum() == len(metrics) - 1
    slices = visit.table[2].value
    assert len(slices) == 11


def test_what_changed_against_the_version_before(
    client, settings: Settings, place: Callable[..., None], production: Version, language: str
):
    promote(client, settings, copied(client, settings, production).number)
    visit = page(language, "model")
    assert text.CHANGED_NOTE(language, version="1") in words(visit)
    changes = visit.table[2].value
    assert list(changes.columns) == [
        text.METRIC_HEADER(language),
        text.NOW_HEADER(language, version="1"),
        text.NOW_HEADER(language, version="2"),
        text.DIFFERENCE_HEADER(language),
    ]
    differences = changes[text.DIFFERENCE_HEADER(language)].str.replace("\\", "")
    assert differences.str.endswith("p.p.").sum() == len(AS_SHARE)
    ledger = visit.table[4].value
    assert len(ledger) == 2
