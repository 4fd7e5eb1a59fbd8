"""The pages say what is there."""

import re

from shared.config import ROOT
from tests.infra.contracts import DEFAULTED, LAPTOP, settings_read

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def _settings() -> dict[str, str]:
    """Variable to who sets it, from the table."""
    section = OPERATIONS.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row[3].strip() for row in rows}


def test_every_setting_is_listed_with_who_sets_it() -> None:
    listed = _settings()
    assert set(listed) == settings_read()
    assert {name for name, by in listed.items() if by == "the sandbox"} == LAPTOP
    assert {name for name, by in listed.items() if by == "nobody"} == DEFAULTED


def test_every_link_of_the_page_leads_to_a_heading() -> None:
    headings = {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", OPERATIONS)) <= headings


def test_files_the_pages_name_exist() -> None:
    pages = OPERATIONS + (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`((?:infra|policies|tests|shared)/[\w./]+\.\w+)`", pages)
    assert named
    assert [name for name in named if not (ROOT / name).exists() and "ENV" not in name] == []
