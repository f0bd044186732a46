"""Links between the project's pages lead to files that are there; commands that pages name exist."""

import re
from pathlib import Path

import pytest

from albert_np.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for where in ("*", "docs/**/*", "labs/**/*", "notebooks/*") for page in ROOT.glob(f"{where}.md"))
PAGES = [
    page for page in PAGES if page.parent.name != "site"
]  # whose links `docs/build.py` checks, where they lie then


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_a_page_shows_exist(page):
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.M | re.S)
    shown = {name for block in blocks for name in re.findall(r"albert-np (?!-)([a-z-]+)", block)}
    assert shown <= set(main.list_commands(None))
