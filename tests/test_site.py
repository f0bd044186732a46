"""The course's site: formulas that browsers show, the reference whole, and pages that need no host."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("notebooks/[0-9][0-9]_*.py"), *ROOT.glob("labs/[0-9][0-9]_*.py")])


@pytest.fixture
def site(monkeypatch):
    """The modules that the site is built with."""
    pytest.importorskip("latex2mathml", reason="needs the extra `site`")
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    return importlib.import_module


def formulas(path):
    """Yield the formulas of a notebook's source, with their line."""
    text = re.sub(r"(?m)^(?!#).*$", "", path.read_text(encoding="utf-8"))  # of markdown cells alone
    text = re.sub(r"(?m)^# ?", "", text)
    text = re.sub(r"```.*?```|`[^`\n]*`", lambda code: re.sub(r"[^\n]", " ", code[0]), text, flags=re.S)
    for found in re.finditer(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", text, re.S):
        yield text.count("\n", 0, found.start()) + 1, found[1] or found[2]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_formula_can_be_shown(path, site):
    mathml = site("mathematics").mathml
    wrong = []
    for line, tex in formulas(path):
        try:
            mathml(re.sub(r"\\tag\{[^}]*\}", "", tex), "\\tag" in tex)
        except ValueError as error:
            wrong.append((line, tex, str(error)))
    assert not wrong


@pytest.mark.parametrize(
    "tex, part",
    [
        (r"\boxed{x}", '<mrow class="boxed">'),
        (r"\arg\max_x f", "arg"),
        (r"\mathrm{d}x", "<mtext>d</mtext>"),
        (r"\begin{bmatrix} a \\ b \end{bmatrix}^\top", "<msup><mrow>"),
        (r"\text{gelu\_new}(h)", "<mtext>gelu_new</mtext>"),
    ],
)
def test_formulas_are_as_browsers_can_show_them(tex, part, site):
    assert part in site("mathematics").mathml(tex, True)


@pytest.mark.parametrize("tex", [r"\nosuchcommand x", r"\frac{1}", r"\text{a $x$}"])
def test_a_formula_that_cannot_be_shown_is_named(tex, site):
    with pytest.raises(ValueError, match=r"understood|Error"):
        site("mathematics").mathml(tex, False)


NOTEBOOKS = {path.name[:2]: path.stem for path in ROOT.glob("notebooks/[0-9][0-9]_*.py")}


def test_the_reference_has_every_public_name(site):
    pages = dict(site("reference").pages(NOTEBOOKS))
    for name, text in pages.items():
        if name != "index":
            for public in importlib.import_module(name).__all__:
                assert f"}} {name}.{public}" in text or f"{name}.{public}`" in text, public
    assert "py:function} albert_np.ops.layer_norm_backward(dy, cache)" in pages["albert_np.ops"]


def test_the_reference_links_a_gradient_to_its_equation(site):
    reference = site("reference")
    text = reference._linked("Derivation: notebook 05, eq. 5.3 and 5.6 (also notebook 01, eq. 1.4).", NOTEBOOKS)
    assert '<a href="../notebooks/05_layer_norm.html#eq-5-6">5.6</a>' in text
    assert '<a href="../notebooks/01_shapes.html#eq-1-4">1.4</a>' in text


def test_a_docstring_is_shown_as_it_is_written(site):
    shown = site("reference")._markdown("x * y_z, <pad> and [CLS], `a * b`\n    goes on.\n\n    code *as* it is")
    assert shown == "x \\* y\\_z, \\<pad\\> and \\[CLS\\], `a * b`\ngoes on.\n\n    code *as* it is"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    run = subprocess.run([sys.executable, ROOT / "docs" / "build.py", folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "these tests need Chromium: apt-get install chromium"
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.site
def test_a_page_asks_no_host_and_fits_a_phone(built, chromium):
    page = chromium.new_page(viewport={"width": 420, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    wide = []
    for path in sorted(built.rglob("*.html")):
        if "explorer" in path.parts:
            continue
        page.goto(path.as_uri())
        if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            wide.append(path.name)
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert not said
    assert not wide


@pytest.mark.site
def test_formulas_have_their_font_equations_their_anchors_and_search_finds(built, chromium):
    page = chromium.new_page()
    page.goto((built / "notebooks" / "05_layer_norm.html").as_uri())
    page.evaluate("document.fonts.ready")
    assert page.evaluate("document.fonts.check('16px \"STIX Two Math\"')")
    assert page.locator("#eq-5-6 math").count() == 1
    assert "$" not in page.locator("#eq-5-6").inner_text()
    page.goto((built / "reference" / "albert_np.ops.html").as_uri())
    page.locator('a[href$="05_layer_norm.html#eq-5-6"]').first.click()
    assert page.url.endswith("05_layer_norm.html#eq-5-6")
    page.goto((built / "search.html").as_uri() + "?q=layer_norm_backward")
    page.locator("#search-results li").first.wait_for(timeout=20_000)


@pytest.mark.site
def test_no_solution_is_on_the_site(built):
    for path in built.rglob("*.html"):
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8"), path.name
    assert not list(built.rglob("*lesson[0-9]*"))
    assert not list(built.rglob("*rubric*"))
