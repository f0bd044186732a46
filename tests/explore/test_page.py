"""The page in a browser: walked by keyboard, read by a screen reader's rules, given hostile texts, asked what if."""

import re
from pathlib import Path

import numpy as np
import pytest

import albert_np as anp
from albert_np.explore import explore

PAGE = Path(anp.__file__).parent / "explore" / "page"
VOCABULARY = "<pad> <unk> [CLS] [SEP] [MASK] ▁the ▁cat ▁sat ▁on ▁mat ▁dog ▁ran".split()
IDS = np.array([[2, 5, 4, 7, 8, 5, 9, 3]])
PLACE, LABEL = 2, 6
PART = r"−?\d[\d.]*(?:·10[⁻⁰-⁹¹²³]+)?"


def toy_model():
    config = anp.AlbertConfig(
        vocab_size=12,
        embedding_size=4,
        hidden_size=8,
        intermediate_size=14,
        num_attention_heads=2,
        num_hidden_layers=2,
        max_position_embeddings=8,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
        classifier_dropout_prob=0,
        initializer_range=0.4,
    )
    return anp.AlbertForPreTraining(config, dtype="float64", seed=3)


def toy_batch(ids=IDS):
    labels = np.full_like(ids, -100)
    labels[0, PLACE] = LABEL
    return {"input_ids": ids, "labels": labels, "sentence_order_label": np.array([1])}


@pytest.fixture(scope="module")
def model():
    model = toy_model()
    model(**toy_batch())
    model.backward()
    return model


@pytest.fixture(scope="module")
def html():
    tokens = [[VOCABULARY[i] for i in IDS[0]]]
    return explore(toy_model(), toy_batch(), tokens=tokens, vocabulary=VOCABULARY, title="toy").html


@pytest.fixture
def walk(page, html, tmp_path):
    """Open the toy's page, at a link where one is given."""
    path = tmp_path / "toy.html"
    path.write_text(html, encoding="utf-8")

    def opened(link="", language="en"):
        page.goto("about:blank")
        page.goto(f"{path.as_uri()}{link}")
        page.wait_for_selector(".stage h2")
        if language == "zh":
            page.keyboard.press("l")
        return page

    return opened


def number(text):
    """The number that a text shows, with its true minus and its power of ten."""
    mantissa, _, power = text.partition("·10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0"
    return float(mantissa.replace("−", "-")) * 10.0 ** int(exponent)


def stop_number(page):
    return int(page.locator(".track").get_attribute("aria-valuenow"))


def go_to(page, title):
    """Walk to the stop of a title of the track, such as "step 1 · attention: softmax, forward"."""
    page.locator(f'.track [title="{title}"]').click()
    return page


FOCUSED = """() => {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  return {
    inside: document.querySelector(".explore").contains(element),
    outlined: element.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth,
    what: `${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`,
    stop: document.querySelector(".track").getAttribute("aria-valuenow"),
    headings: [".stage h2", ".number h3"].map((part) => document.querySelector(part).textContent),
  };
}"""


def assert_focus_is_seen(page):
    """Returns the number of the stop, and what stands over it and over the open number."""
    found = page.evaluate(FOCUSED)
    assert all(found[what] for what in ("inside", "outlined", "seen")), found
    return int(found["stop"]), *found["headings"]


def test_every_stop_is_visited_once_by_keyboard_forward_and_back(walk):
    page = walk()
    stops = int(page.locator(".track").get_attribute("aria-valuemax"))
    page.keyboard.press("Home")
    there, back = [], []
    for visits, key in [(there, "ArrowRight"), (back, "ArrowLeft")]:
        for _ in range(stops):
            visits.append(assert_focus_is_seen(page))
            page.keyboard.press(key)
    assert [stop for stop, _, _ in there] == list(range(1, stops + 1))
    assert back == there[::-1]
    assert len(page.requests) == 1  # the file itself


def test_m_leads_to_the_mirror_and_back(walk):
    page = go_to(walk(), "step 1 · attention: softmax, forward")
    here = stop_number(page)
    page.keyboard.press("m")
    assert "softmax" in page.locator(".stage h2").inner_text()
    assert page.locator(".badge").inner_text() == "backward"
    page.keyboard.press("m")
    assert stop_number(page) == here


def test_tab_goes_everywhere_and_focus_is_always_visible(walk):
    page = go_to(walk(), "step 1 · feed-forward: widen H → I, backward")
    page.locator(".stage").focus()
    kinds = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue  # outside the page: the browser's own
        assert_focus_is_seen(page)
        kinds.add(page.evaluate("document.activeElement.className.split(' ')[0]"))
    assert {"matrix-body", "panel-body", "source", "track", "tokens", "tool", "stage", "ask"} <= kinds


def test_a_matrix_is_walked_by_arrows_opened_by_enter_and_left_by_escape(walk, model):
    page = go_to(walk(), "step 1 · feed-forward: widen H → I, backward")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    while "dweight" not in page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''"):
        page.keyboard.press("Tab")
    for key in ["Home", *["ArrowUp"] * 12, "ArrowDown", "ArrowRight", "ArrowRight"]:
        page.keyboard.press(key)
    assert "dweight[1, 2]" in page.locator(".tip").inner_text()
    page.keyboard.press("Enter")
    assert page.locator(".number h3").inner_text().startswith("dweight[1, 2] = ")
    stop = stop_number(page)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert stop_number(page) == stop + 1


def link_of(page):
    """The link to the open number."""
    return page.locator(".permalink").get_attribute("href")


def shown(page):
    """The open number, by its heading."""
    return number(re.search(rf"= ({PART})", page.locator(".number h3").inner_text())[1])


def test_the_loss_on_screen_is_the_models(walk, model):
    page = walk()
    loss = float(model(**toy_batch()).loss)
    assert f"loss {loss:.4f}"[:10] in page.locator(".counter").inner_text()


def test_probabilities_on_screen_are_the_models(walk, model):
    page = go_to(walk(), "step 2 · attention: softmax, forward")
    attention = model(**toy_batch(), output_attentions=True).attentions[1]
    value, place = re.fullmatch(r"#\d+/(\d+)/(.*)", link_of(page)).groups()
    stop = stop_number(page)
    for head, row, column in [(0, 0, 0), (1, 3, 2), (1, 7, 6)]:
        page.evaluate(f"location.hash = '#{stop}/{value}/0,{head},{row},{column}'")
        page.wait_for_function(f"document.querySelector('.permalink').hash.endsWith('/0,{head},{row},{column}')")
        assert shown(page) == pytest.approx(attention[0, head, row, column], rel=1e-6)
    assert place.count(",") == 3


def test_a_token_that_occurs_twice_is_numbered(walk):
    page = go_to(walk(), "step 2 · attention: softmax, forward")
    stop, value = re.match(r"#(\d+)/(\d+)", link_of(page)).groups()
    for row, name in [(0, "[CLS]"), (1, "·the₁"), (5, "·the₂")]:
        page.evaluate(f"location.hash = '#{stop}/{value}/0,1,{row},2'")
        page.wait_for_function(f"document.querySelector('.permalink').hash.endsWith('/0,1,{row},2')")
        assert f"[head 1, {name}, [MASK]] = " in page.locator(".number h3").inner_text()


def test_contributions_add_up_to_the_models_gradient(walk, model):
    page = go_to(walk(), "step 1 · feed-forward: widen H → I, backward")
    gradient = model.grads["albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"]
    page.keyboard.press("2")
    assert "2 contributions" in page.locator(".sums h3").inner_text()
    row, column = re.search(r"at \[(\d+), (\d+)\]", page.locator(".sums").inner_text()).groups()
    *parts, total = [number(text.split("\n")[-1]) for text in page.locator(".shares figcaption").all_inner_texts()]
    assert total == pytest.approx(gradient[int(row), int(column)], rel=1e-3)
    assert sum(parts) == pytest.approx(total, rel=1e-2)


def test_tied_embeddings_show_their_two_paths(walk):
    page = go_to(walk(), "embeddings: look up words, backward")
    page.keyboard.press("2")
    assert "two paths" in page.locator(".sums h3").inner_text()
    labels = [text.split("\n")[0] for text in page.locator(".shares figcaption").all_inner_texts()]
    assert labels == ["look-up", "decoder", "model.grads"]
    assert "·the" in page.locator(".sums .chooser").last.inner_text()  # occurs twice


@pytest.mark.parametrize(
    "title",
    [
        "step 1 · feed-forward: widen H → I, forward",
        "step 2 · attention: scores q·k / √D, backward",
        "step 1 · feed-forward: widen H → I, backward",
        "embeddings: look up words, backward",
    ],
)
def test_terms_on_screen_add_up_to_the_number(walk, title):
    page = go_to(walk(), title)
    rows = page.locator(".terms").first.locator("tr:not(.sum)")
    terms = [number(row.locator("td").nth(-2).inner_text()) for row in rows.all()]  # the last one: those folded away
    assert sum(terms) == pytest.approx(shown(page), abs=2e-3 * max(map(abs, terms)))


@pytest.mark.parametrize(
    "title",
    [
        "embeddings: LayerNorm, forward",
        "step 1 · attention: softmax, backward",
        "step 2 · feed-forward: narrow I → H, backward",
        "embeddings: look up words, backward",
    ],
)
def test_a_gradient_is_proved_on_the_spot(walk, title):
    page = go_to(walk(), title)
    page.keyboard.press("p")
    page.wait_for_selector(".proof-words")
    digits = re.search(r"✓ (\d+) digits agree", page.locator(".proof-words").inner_text())
    assert int(digits[1]) >= 6
    assert page.locator(".curve .tangent").count() == 1


def test_a_swapped_token_gives_the_loss_of_the_models_own_run(walk, model):
    page = walk()
    page.locator(".token").nth(1).click()
    page.locator(".swap input").fill("dog")
    page.keyboard.press("Enter")
    ids = IDS.copy()
    ids[0, 1] = VOCABULARY.index("▁dog")
    loss = float(model(**toy_batch(ids)).loss)
    assert f"loss {loss:.4f}"[:10] in page.locator(".counter").inner_text()
    assert "·the → ·dog" in page.locator(".status").inner_text()
    page.locator(".status button").click()
    assert f"{float(model(**toy_batch()).loss):.4f}"[:6] in page.locator(".counter").inner_text()


def test_first_order_stands_beside_the_truth(walk):
    page = go_to(walk(), "step 1 · feed-forward: widen H → I, forward")
    page.keyboard.press("3")
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".outcome .curve")
    rows = dict(row.split("\t") for row in page.locator(".outcome table").first.inner_text().split("\n")[1:])
    was, now, predicted = (number(rows[name]) for name in ["was", "now", "first order predicts"])
    assert now != was
    assert abs(predicted - now) < 0.6 * abs(now - was) + 1e-9
    page.locator(".outcome > button").click()
    assert "What if" not in page.locator(".status").inner_text()


def test_a_link_leads_to_one_number_and_a_wrong_one_to_the_start(walk):
    page = go_to(walk(), "step 2 · attention: softmax, backward")
    link, heading = link_of(page), page.locator(".number h3").inner_text()
    page.wait_for_function("link => location.hash === link", arg=link)
    assert walk(link).locator(".number h3").inner_text() == heading
    assert walk("#softmax_backward").locator(".stage h2").inner_text().startswith("step 2 · attention · softmax")
    for wrong in ["#0", "#99999", "#nothing", "#3/1/9999", "#3/99999/0", "#%", "#3/1/1,1,1,1,1,1"]:
        assert walk(wrong).locator(".stage h2").is_visible()


def test_all_that_matters_is_above_the_fold(walk):
    page = go_to(walk(), "step 1 · feed-forward: widen H → I, backward")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    for part in [".stage h2", ".number h3", ".terms .sum", ".ask", ".source .code", ".track", ".bottom"]:
        box = page.locator(part).first.bounding_box()
        assert box["y"] + min(box["height"], 30) <= 720, part


def test_every_stop_fits_on_its_stage(walk):
    page = walk()
    overflows = page.evaluate(
        """() => {
          const [stage, track] = [document.querySelector(".stage"), document.querySelector(".track")];
          const press = (key) => track.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
          press("Home");
          return Array.from({ length: Number(track.getAttribute("aria-valuemax")) }, () => {
            const over = [stage.scrollHeight - stage.clientHeight, stage.scrollWidth - stage.clientWidth];
            const name = document.querySelector(".stage h2").textContent;
            press("ArrowRight");
            return [name, ...over];
          }).filter(([, below, beside]) => below > 0 || beside > 0);
        }"""
    )
    assert overflows == []


@pytest.mark.parametrize("width", [390, 820, 1024, 1280, 1920])
def test_no_width_scrolls_sideways(walk, width):
    page = walk()
    page.set_viewport_size({"width": width, "height": 844})
    go_to(page, "step 1 · attention: query, key, value, backward")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".number h3").is_visible()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(walk, page, language, scheme):
    from axe_playwright_python.base import AXE_SCRIPT

    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = go_to(walk(), "step 1 · feed-forward: widen H → I, backward")
    if language == "zh":
        page.keyboard.press("l")
    page.evaluate(AXE_SCRIPT)
    found = []
    for keys in ["p", "2", "3m", "b?"]:
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(100)
        broken = page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]))")
        found += [(keys, *each) for each in broken]
    assert not found


HOSTILE = [
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "a\u2028b\u2029c",
    "x" * 10_000,
    "'&amp;<b>",
    "{{script}}",
]


def test_hostile_texts_are_shown_as_text(page, tmp_path):
    vocabulary = HOSTILE + VOCABULARY[len(HOSTILE) :]
    ids = np.array([[0, 1, 2, 3, 4, 5, 8, 9]])
    exploration = explore(
        toy_model(),
        toy_batch(ids),
        tokens=[[vocabulary[i] for i in ids[0]]],
        vocabulary=vocabulary,
        title="</title><h1>t",
    )
    path = tmp_path / "hostile.html"
    path.write_text(exploration.html, encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_selector(".stage h2")
    assert page.locator(".token").first.inner_text().startswith('"><img src=x oner')
    for title in ["embeddings: look up words, backward", "MLM head: decoder, backward", "loss: cross-entropy, forward"]:
        page.locator(f'.track [title="{title}"]').first.click()
        for key in "123":
            page.keyboard.press(key)
            assert page.evaluate("document.querySelectorAll('img').length") == 0
            assert (
                page.evaluate("document.querySelectorAll('script').length") == 5
            )  # data, arrays, code, loader, started
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("1")
    assert page.locator("h1").count() == 1
    assert page.title() == "</title><h1>t"


def test_a_sandboxed_frame_shows_the_page(page, html):
    page.set_content('<iframe title="walk" sandbox="allow-scripts" style="width:1200px;height:700px"></iframe>')
    page.evaluate("(html) => { document.querySelector('iframe').srcdoc = html }", html)
    frame = page.frame_locator("iframe")
    frame.locator(".stage h2").wait_for()
    frame.locator(".stage").click(position={"x": 300, "y": 20})
    page.keyboard.press("ArrowRight")
    assert frame.locator(".track").get_attribute("aria-valuenow") == "2"
    assert "arrays replayed" in frame.locator(".status").inner_text()


def test_in_a_notebook_an_equation_leads_to_the_notebook_that_derives_it(page, tmp_path):
    tokens = [[VOCABULARY[i] for i in IDS[0]]]
    exploration = explore(toy_model(), toy_batch(), tokens=tokens, vocabulary=VOCABULARY)
    (tmp_path / "notebook.html").write_text(exploration._repr_html_(), encoding="utf-8")
    page.goto((tmp_path / "notebook.html").as_uri())
    link = page.frame_locator("iframe").locator("a.equation")
    assert re.fullmatch(r"0\d_\w+\.ipynb", link.first.get_attribute("href"))
    assert link.first.evaluate("link => link.href").startswith(tmp_path.as_uri())


def test_a_page_alone_names_the_equations_notebook_and_the_command_for_it(walk):
    page = walk("#softmax_backward")
    assert page.locator("a.equation").count() == 0
    assert page.locator("span.equation").inner_text() == "eq. 4.5, notebook 04_softmax_cross_entropy"
    assert "albert-np notebooks" in page.locator("span.equation").get_attribute("title")
    page.keyboard.press("?")
    assert "albert-np notebooks" in page.locator(".help").inner_text()


def test_two_on_one_page_keep_to_themselves(modules, html):
    page = modules
    data, arrays = (re.search(rf'id="explore-{part}">(.*?)</script>', html)[1] for part in ("data", "arrays"))
    page.evaluate(
        """async ([text, arrays]) => {
          const [{ mount }, { readPass }] = await Promise.all([import("/app.js"), import("/data.js")]);
          for (let i = 0; i < 2; i++) {
            const root = document.body.appendChild(document.createElement("div"));
            mount(root, await readPass(text, arrays), { language: i ? "zh" : "en" });
          }
        }""",
        [data, arrays],
    )
    first, second = page.locator(".explore").all()
    second.locator(".stage").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("3")
    first.locator(".panel-buttons button").nth(2).click()
    stops = [root.locator(".track").get_attribute("aria-valuenow") for root in (first, second)]
    assert stops == ["1", "2"]
    assert [root.locator(".badge").inner_text() for root in (first, second)] == ["forward", "前向"]
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size") == page.evaluate(
        "document.querySelectorAll('[id]').length"
    )


def test_no_two_modules_use_one_name():
    """The modules are put into one script, so their top-level names share one scope."""
    pattern = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+|\[.*?\])", re.M)
    names = [name for module in PAGE.glob("*.js") for name in pattern.findall(module.read_text(encoding="utf-8"))]
    assert sorted(names) == sorted(set(names))


def test_both_languages_have_every_text(modules):
    keys = modules.evaluate("import('/i18n.js').then(({ LANGUAGES }) => Object.values(LANGUAGES).map(Object.keys))")
    assert sorted(keys[0]) == sorted(keys[1])
    texts = modules.evaluate("import('/i18n.js').then(({ LANGUAGES }) => Object.values(LANGUAGES))")
    fields = [{key: sorted(re.findall(r"\{\w+\}", text)) for key, text in each.items()} for each in texts]
    assert fields[0] == fields[1]
    used = {
        key for module in PAGE.glob("*.js") for key in re.findall(r'\bt\("([^"]+)"', module.read_text(encoding="utf-8"))
    }
    assert used <= set(keys[0])
