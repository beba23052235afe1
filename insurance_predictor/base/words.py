"""What people read, said in Portuguese and in English side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["pt", "en"]
Translations = Mapping[Language, str]
LANGUAGES: Mapping[Language, str] = {"pt": "Portuguese", "en": "English"}


@dataclass(frozen=True)
class Text:
    """A sentence in both languages; calling it gives one of them, its {names} filled in.

    Where it is shown as Markdown, whatever is filled in has to be plain; see `formats.plain`.
    """

    pt: str
    en: str

    def __call__(self, language: Language, **values: object) -> str:
        return {"pt": self.pt, "en": self.en}[language].format(**values)
