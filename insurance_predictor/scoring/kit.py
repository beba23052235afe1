"""A version as it goes to whoever scores by it: fetched and checked once, then carried along."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import Digests
from insurance_predictor.table.columns import Columns


@dataclass(frozen=True)
class Kit:
    """The files of a version by name, what they must be, and the columns it was trained on."""

    version: str
    incarnation: str | None
    digests: Digests
    files: Mapping[str, bytes]
    columns: Columns

    @property
    def identity(self) -> str:
        """One digest of the version, in the registry that it is in."""
        said = (self.version, self.incarnation, self.digests.combined)
        return sha256(repr(said).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Put the files into a folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kit) and other.identity == self.identity


def fetch_kit(settings: Settings, number: str | None) -> Kit:
    """The version of that number, or what is in production, whatever its alias does meanwhile.

    Raises NotFound, NoProductionModel, IntegrityFault and Unreachable.
    """
    from insurance_predictor.model.pair import version_columns
    from insurance_predictor.serving.predictor import fetch_files
    from insurance_predictor.store.tracking import connect, store_errors
    from insurance_predictor.store.versions import get_version, incarnation, version_behind

    with TemporaryDirectory() as name:
        folder = Path(name)
        with store_errors(settings):
            client = connect(settings)
            if number:
                version = get_version(client, settings, number)
                version = replace(version, incarnation=incarnation(client, settings))
            else:
                version = version_behind(client, settings, settings.production_alias)
            fetch_files(client, settings, version, folder)
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        columns = version_columns(folder)
    return Kit(version.number, version.incarnation, version.digests, files, columns)
