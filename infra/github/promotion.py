"""What a promotion or a rollback has changed, for the page of its run."""

from infra.github.markdown import table
from insurance_predictor.base.foreign_text import for_github
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.ledger import Line
from insurance_predictor.store.status import RegistryState

SHOWN = 5  # lines of the ledger


def as_markdown(settings: Settings, state: RegistryState) -> str:
    """The version that serves, the end of the ledger, and what is wrong, if anything."""
    serving = state.aliases.get(settings.production_alias)
    moves = state.moves_of(settings.production_alias)
    described = [version for version in state.versions if version.number == serving]
    return "\n".join(
        [
            f"## In production: {f'version {serving}' if serving else 'nothing'}",
            "",
            *(for_github(version.description) for version in described),
            "",
            *table(
                ("When (UTC)", "Who", "Move", "Why"),
                _rows(moves),
            ),
            "",
            *(f"- **Problem:** {for_github(problem)}" for problem in state.problems),
            "",
        ]
    )


def _rows(ledger: tuple[Line, ...]) -> list[tuple[str, ...]]:
    """The newest first."""
    return [
        (
            f"{line.when:%Y-%m-%d %H:%M}",
            for_github(line.who),
            f"{line.action} {line.before or 'nothing'} to {line.after}"
            + (" (forced)" if line.forced else ""),
            for_github(line.why),
        )
        for line in reversed(ledger[-SHOWN:])
    ]
