"""The course's site: formulas that browsers show, the reference whole, and pages that need no host."""

import base64
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from albert_np.plots import INK

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


def test_the_reference_gives_the_value_of_a_constant(site):
    entry = "".join(site("reference")._entry("albert_np.ops.IGNORE_INDEX", -100, NOTEBOOKS))
    assert entry == "````{py:data} albert_np.ops.IGNORE_INDEX\n:value: -100\n````"


PAGE = (
    '<figure id="figure-5-1" style="margin: 0">\n<img width="576" style="max-width: 100%; background: white" '
    'alt="a &quot;line&quot; &amp; more"\nsrc="data:image/svg+xml;base64,{}">\n'
    "<figcaption><b>Figure 5.1</b></figcaption>\n</figure>"
)


def a_figure():
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="432pt" height="99pt" viewBox="0 0 432 99" fill="{INK}">'
        '<defs><clipPath id="p1" /></defs><g clip-path="url(#p1)"><text class="s0">loss</text></g>'
        f"<style>.s0{{fill: {INK}}}.s1{{fill: #1e72e2}}</style></svg>"
    )
    return PAGE.format(base64.b64encode(svg.encode()).decode())


def test_a_figure_is_part_of_the_page_in_the_pages_ink_with_names_of_its_own(site):
    page = site("shown").with_inline_figures(a_figure())
    svg = ElementTree.fromstring(page).find("{http://www.w3.org/2000/svg}svg")
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == 'a "line" & more'
    assert svg.attrib["style"] == "width: 576px; max-width: 100%; background: white"
    assert svg.attrib["fill"] == "currentColor"
    assert not {"width", "height"} & set(svg.attrib)
    assert INK not in page
    assert 'id="figure-5-1-p1"' in page
    assert "url(#figure-5-1-p1)" in page
    assert 'class="figure-5-1-s0"' in page
    assert ".figure-5-1-s0{fill: currentColor}.figure-5-1-s1{fill: #1e72e2}" in page


def test_a_notebook_says_how_to_run_it_and_folds_the_calls_that_only_draw(site):
    def code(source, page=""):
        outputs = [{"data": {"text/html": page}}] if page else []
        return {"cell_type": "code", "metadata": {}, "source": source, "outputs": outputs}

    draws = code('from x import f\n\nshow(\n    f(),\n    "5.1",\n    "a",\n    "b",\n)', a_figure())
    computes, command = code('y = f()\nshow(y, "5.1", "a", "b")'), code("%pip install x")
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# 05 · LayerNorm\n", "\n", "80 minutes"]},
            draws,
            computes,
            command,
        ]
    }
    site("shown").shown(notebook, course=True)
    assert draws["metadata"] == {"tags": ["hide-input"]}
    assert computes["metadata"] == command["metadata"] == {}
    title, said, rest = re.split(r"\n{2,}", notebook["cells"][0]["source"])
    assert (title, rest) == ("# 05 · LayerNorm", "80 minutes")
    assert "`albert-np notebooks`" in said
    assert "<svg" in draws["outputs"][0]["data"]["text/html"]


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


def luminance(colour):
    """By WCAG, of a colour as browsers give it, rgb(r, g, b)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.site
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_of_figures_and_code_can_be_read_on_light_and_dark(built, chromium, scheme):
    page = chromium.new_page(color_scheme=scheme)
    page.goto((built / "notebooks" / "03_linear_gelu.html").as_uri())
    ground = page.evaluate("getComputedStyle(document.querySelector('figure svg')).backgroundColor")
    expected = 1.0 if scheme == "light" else 0.0
    numbers = [float(n) for n in re.findall(r"[\d.]+", ground.replace("oklch", ""))]
    assert numbers[0] == expected, ground
    colours = page.evaluate("""() => {
        const seen = [...document.querySelectorAll('figure svg text')].filter(text => !text.closest('[clip-path]'))
        return [...new Set(seen.map(text => getComputedStyle(text).fill))]
    }""")
    on_boxes = {"rgb(1, 1, 1)", "rgb(255, 255, 255)"}  # which have grounds of their own
    for colour in set(colours) - on_boxes:
        light, dark = sorted((luminance(colour) + 0.05, expected + 0.05), reverse=True)
        assert light / dark > 4.5, colour


@pytest.mark.site
def test_the_front_page_leads_a_newcomer_on(built, chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.goto((built / "index.html").as_uri())
    for target in (
        "explorer/toy.html",
        "notebooks/01_shapes.html",
        "docs/teaching/README.html",
        "reference/index.html",
    ):
        assert page.locator(f'article a[href="{target}"]').count(), target
    assert "albert-np quickstart" in page.locator("article pre").first.inner_text()
    assert page.locator("article pre").first.bounding_box()["y"] < 1000


@pytest.mark.site
def test_hints_are_folded_and_code_is_not_cut_in_print(built, chromium):
    page = chromium.new_page(viewport={"width": 700, "height": 1000})
    page.goto((built / "notebooks" / "05_layer_norm.html").as_uri())
    assert page.locator("details").count() > 10
    assert not page.locator("details[open]").count()
    page.emulate_media(media="print")
    assert not page.evaluate(
        "[...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    )
