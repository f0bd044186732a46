"""Build the course's site: notebooks as they stand, the reference from the docstrings, labs, pages, the explorer.

    python docs/build.py [FOLDER]        into build/site, or a folder that does not exist or that this has made

Nothing is fetched, now or when a page is opened. Needs the extra `site`. Fails, after it has written, where Sphinx
warns, a formula cannot be shown, a link or an anchor leads nowhere, or a page would ask a host for something.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util.console import nocolor

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "site")]

from reference import pages as reference_pages
from shown import shown

from albert_np.explore import explore_sentence, explore_toy

PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "notebooks/README.md", "notebooks/[0-9][0-9]_*.ipynb")
PAGES += ("labs/[0-9][0-9]_*.ipynb", "docs/*.md", "docs/teaching/*.md")
FILES = ("data/*.png", "data/*.svg", "docs/teaching/*.csv", "docs/teaching/Dockerfile")
EXPLORER = ("return the number of {items} in the list.", "the list is not changed.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build" / "site")
    folder = parser.parse_args().folder.resolve()
    if folder.exists() and not (folder / "searchindex.js").is_file():
        parser.error(f"{folder} exists and is no site; name another folder")
    with tempfile.TemporaryDirectory() as work:
        source, made, beside = Path(work) / "source", Path(work) / "site", Path(work) / "beside"
        gather(source)
        (beside / "explorer").mkdir(parents=True)
        explore_toy().save(beside / "explorer" / "toy.html")
        explore_sentence(ROOT / "data" / "small-albert", *EXPLORER).save(beside / "explorer" / "sentence.html")
        said = StringIO()
        nocolor()
        settings = {"html_extra_path": [str(beside)]}
        Sphinx(source, HERE / "site", made, Path(work) / "doctrees", "html", settings, None, said).build()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    problems = [line for line in said.getvalue().splitlines() if line.strip()] + problems_of(folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    pages = sum(1 for _ in folder.rglob("*.html"))
    print(f"{folder}: {pages} pages, {len(problems)} problems; open {folder / 'index.html'}")
    return 1 if problems else 0


def gather(source: Path) -> None:
    """Lay out what the site is made of, each page where its links expect it."""
    for pattern in PAGES + FILES:
        for path in sorted(ROOT.glob(pattern)):
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for path in source.rglob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        shown(notebook, course=path.parent.name == "notebooks")
        path.write_text(json.dumps(notebook), encoding="utf-8")
    for page in source.rglob("*.md"):
        page.write_text(without_dead_links(page), encoding="utf-8")
    notebooks = {path.name[:2]: path.stem for path in sorted((source / "notebooks").glob("*.ipynb"))}
    (source / "reference").mkdir()
    for name, text in reference_pages(notebooks):
        (source / "reference" / f"{name}.md").write_text(text, encoding="utf-8")
    shutil.copyfile(HERE / "site" / "index.md", source / "index.md")
    shutil.copyfile(HERE / "site" / "labs.md", source / "labs" / "README.md")


def without_dead_links(page: Path) -> str:
    """Return a page whose links to folders lead to the pages there, and whose links to nothing are words alone."""

    def kept(found: re.Match[str]) -> str:
        words, target = found[1], found[2].partition("#")[0]
        if not target or "://" in target or (page.parent / target).is_file():
            return found[0]
        index = page.parent / target / "README.md"
        return f"[{words}]({target}/README.md)" if index.is_file() else words

    return re.sub(r"(?<!!)\[([^]]*)\]\(([^)\s]+)\)", kept, page.read_text(encoding="utf-8"))


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(given["href"])
        elif "src" in given:
            self.loads.append(given["src"])


def problems_of(folder: Path) -> list[str]:
    """Return each link and anchor that leads nowhere, each thing that another host would be asked for."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    problems = []
    for path, page in pages.items():
        for target in page.links + page.loads:
            parts = urlsplit(target)
            name = f"{path.relative_to(folder)}: {target[:120]}"
            if parts.scheme == "data" or (parts.scheme and target in page.links):
                continue
            if parts.scheme or parts.netloc:
                problems.append(f"{name} is asked of a host")
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not there.is_file():
                problems.append(f"{name} leads nowhere")
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].anchors:
                problems.append(f"{name} has no such anchor")
    for path in folder.rglob("*.css"):
        found = re.findall(r"url\([\"']?((?:https?:)?//[^)]*)", path.read_text(encoding="utf-8"))
        problems += [f"{path.relative_to(folder)}: {target} is asked of a host" for target in found]
    return problems


if __name__ == "__main__":
    sys.exit(main())
