"""README, its translations and the docs say the same, and name what is there."""

import re
import subprocess

from tests.repository import ROOT, readme_commands

README = (ROOT / "README.md").read_text()
PAGES = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")]


def test_every_translation_of_the_readme_has_its_headings_and_commands():
    for page in ROOT.glob("README.*.md"):
        translated = page.read_text()
        assert levels(translated) == levels(README), page.name
        assert readme_commands(translated) == readme_commands(README), page.name


def levels(text: str) -> list[int]:
    """How deep each heading of a page stands."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, flags=re.MULTILINE)]


def test_what_the_ci_runs_is_what_the_readme_says():
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make lint" in ci
    assert "make test" in ci


def test_every_target_named_in_the_docs_exists():
    named = {
        name for page in PAGES for name in re.findall(r"`make ([a-z][a-z-]*)", page.read_text())
    }
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    assert named <= targets


def test_make_help_is_the_table_of_targets():
    helped = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = set(re.findall(r"^  (\S+) +\S", helped.stdout, flags=re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        name for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.M) for name in line.split()
    }
    assert listed == targets - {"help"} or listed == targets


def test_every_link_to_a_file_leads_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
