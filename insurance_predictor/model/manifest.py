"""What the files of a run must be, byte for byte, before anybody opens one of them.

A manifest names every file of a run with its sha256, taken before any of them is uploaded; its own
sha256 stands in a tag of the run and of the version made from it. Releases before there were
manifests wrote three digests instead, which vouch for what a premium needs and nothing else, and
pickled their preprocessor. Whoever writes the tags chooses between the two, so that a pickle is
loaded only where somebody else has vouched for it.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.model.run_layout import (
    ADDED_BY_DOWNLOAD,
    HOLDOUT,
    MANIFEST,
    MODEL,
    PREPROCESSOR,
    REFERENCE,
    SERVING,
)

FORMAT = 1
MOST_MANIFEST_BYTES = 2**20  # a run has about 20 files
PREPROCESSOR_TAG, MANIFEST_TAG = "preprocessor_sha256", "manifest_sha256"
FORMER_TAGS = (PREPROCESSOR_TAG, "model_sha256", "serving_sha256")
TAGS = (*FORMER_TAGS, MANIFEST_TAG)


@dataclass(frozen=True)
class Digests:
    """sha256, as 64 hex digits, of what a run's tags or a version's vouch for.

    Either of the manifest, or, in releases before there was one, of each piece. That of
    `preprocessing/preprocessor.joblib` is there in both.
    """

    preprocessor_sha256: str
    manifest_sha256: str | None = None
    model_sha256: str | None = None
    serving_sha256: str | None = None

    def as_tags(self) -> dict[str, str]:
        return {name: value for name in TAGS if (value := getattr(self, name)) is not None}

    @property
    def has_manifest(self) -> bool:
        """Whether every file is vouched for, and not only what a premium needs."""
        return self.manifest_sha256 is not None

    @property
    def combined(self) -> str:
        """One digest for all of it."""
        if self.manifest_sha256 is not None:
            return self.manifest_sha256
        pieces = (self.preprocessor_sha256, self.model_sha256, self.serving_sha256)
        return sha256("\n".join(map(str, pieces)).encode()).hexdigest()

    def refuse_pickle(self, trusted: Collection[str], owner: str) -> None:
        """Raise IntegrityFault where loading means unpickling, unless `trusted` has its sha256.

        `trusted` comes from who operates this, never from a store.
        """
        if self.has_manifest or self.preprocessor_sha256 in trusted:
            return
        raise IntegrityFault(
            f"{owner} is refused: its preprocessor (sha256 {self.preprocessor_sha256}) is a "
            "pickle, which runs code when it is loaded. Train, register and promote again; or, if "
            f"you know who made it, set TRUSTED_PICKLES={self.preprocessor_sha256}."
        )

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], owner: str) -> "Digests":
        """The digests written on a run or version. Raises IntegrityFault where one is absent.

        A manifest's digest is enough, and what was written before there were manifests is then
        not looked at: nobody chooses between the two by what lies in the store.
        """
        former = MANIFEST_TAG not in tags and any(name in tags for name in FORMER_TAGS[1:])
        names = FORMER_TAGS if former else (PREPROCESSOR_TAG, MANIFEST_TAG)
        missing = [name for name in names if not re.fullmatch("[0-9a-f]{64}", tags.get(name, ""))]
        if missing:
            raise IntegrityFault(f"{owner} carries no {', '.join(missing)}: it cannot be checked.")
        return cls(**{name: tags[name] for name in names})


@dataclass(frozen=True)
class Manifest:
    """The sha256 of each file, 64 hex digits, by its name below the folder of the run.

    The files of the model are below `model/`, wherever the store keeps them.
    """

    files: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Manifest":
        """That of all files below `folder`, except a manifest. Reads, opens nothing."""
        names = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        return cls({name: file_sha256(folder / name) for name in sorted(names - {MANIFEST})})

    @property
    def text(self) -> str:
        """As it is stored: the same manifest is the same bytes."""
        return json.dumps({"format": FORMAT, "files": dict(self.files)}, indent=1, sort_keys=True)

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()

    @property
    def digests(self) -> Digests:
        """What a run carries of it."""
        return Digests(self.files[PREPROCESSOR], self.sha256)

    def check(self, folder: Path, owner: str) -> None:
        """Raise IntegrityFault, naming each file that differs or is absent below `folder`."""
        lost = [name for name in self.files if not (folder / name).is_file()]
        if lost:
            raise IntegrityFault(f"{owner} has lost a file: {' and '.join(lost)} is not there.")
        changed = [
            name for name, known in self.files.items() if file_sha256(folder / name) != known
        ]
        if changed:
            raise IntegrityFault(_changed(owner, f"its {' and '.join(changed)} is"))


def read_manifest(folder: Path, expected: str, owner: str) -> Manifest:
    """The manifest in `folder`, whose sha256 is `expected`; any other one is an IntegrityFault."""
    if not (folder / MANIFEST).is_file():
        raise IntegrityFault(f"{owner} has lost a file: {MANIFEST} is not there.")
    if (size := (folder / MANIFEST).stat().st_size) > MOST_MANIFEST_BYTES:
        raise too_large(owner, f"its {MANIFEST} has", size, MOST_MANIFEST_BYTES)
    content = (folder / MANIFEST).read_bytes()
    if sha256(content).hexdigest() != expected:
        raise IntegrityFault(_changed(owner, f"its {MANIFEST} is"))
    try:
        found = json.loads(content)
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}")
        return Manifest({_below(name): str(digest) for name, digest in found["files"].items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityFault(f"{owner} has a {MANIFEST} that cannot be read: {error}") from error


def too_large(owner: str, what: str, size: int, most: int) -> IntegrityFault:
    """What is said of files that are not even read; `size` and `most` in bytes."""
    return IntegrityFault(
        f"{owner} is refused: {what} {size:,} bytes; {most:,} is the most that is read. "
        "Train and register again, or restore the file."
    )


def prove(folder: Path, expected: Digests, owner: str, rows: str | None = None) -> Manifest:
    """The manifest of what `expected` vouches for among the files in `folder`, all compared.

    Of a release without manifests these are the model, its preprocessor and `serving.json`, and the
    rows too where `rows` is their digest. Raises IntegrityFault where a file differs or is absent.
    """
    if expected.manifest_sha256 is not None:
        manifest = read_manifest(folder, expected.manifest_sha256, owner)
        if manifest.files.get(PREPROCESSOR) != expected.preprocessor_sha256:
            raise IntegrityFault(_changed(owner, "its preprocessor is"))
        manifest.check(folder, owner)
        return manifest
    _compare(former_digests(folder), expected, owner)
    there = Manifest.of(folder).files
    proven = {PREPROCESSOR, SERVING, *(name for name in there if name.startswith(f"{MODEL}/"))}
    if rows is not None and rows == rows_sha256(folder):
        proven |= {REFERENCE, HOLDOUT}
    return Manifest({name: digest for name, digest in there.items() if name in proven})


def former_digests(folder: Path) -> Digests:
    """The three digests of releases without manifests. Reads, opens nothing."""
    return Digests(
        preprocessor_sha256=file_sha256(folder / PREPROCESSOR),
        model_sha256=folder_sha256(folder / MODEL),
        serving_sha256=file_sha256(folder / SERVING),
    )


def rows_sha256(folder: Path) -> str | None:
    """The digest that those releases wrote of a run's rows; None where some are absent."""
    rows = [folder / REFERENCE, folder / HOLDOUT]
    if not all(path.is_file() for path in rows):
        return None
    return sha256(b"".join(path.read_bytes() for path in rows)).hexdigest()


def folder_sha256(folder: Path) -> str:
    """One digest for the names and contents of all files below `folder`."""
    digest = sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if name != ADDED_BY_DOWNLOAD:
            digest.update(f"{name}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _compare(found: Digests, expected: Digests, owner: str) -> None:
    known = expected.as_tags()
    changed = [name for name, value in found.as_tags().items() if known.get(name) != value]
    if changed:
        pieces = " and ".join(name.removesuffix("_sha256") for name in changed)
        raise IntegrityFault(_changed(owner, f"its {pieces} is"))


def _changed(owner: str, what: str) -> str:
    return (
        f"{owner} is refused: {what} not the one that was trained (the sha256 differs). "
        "Train and register again, or restore the file."
    )


def _below(name: object) -> str:
    """A name that stays below the folder it is written to."""
    path = PurePosixPath(str(name))
    if path.is_absolute() or ".." in path.parts or str(path) != name:
        raise ValueError(f"{name!r} is no name of a file in a run")
    return str(name)
