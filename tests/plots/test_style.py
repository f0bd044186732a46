"""What all figures share, and the picture that the README shows."""

from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from albert_np.cli import main
from albert_np.plots import (
    COLOURS,
    DARK,
    INK,
    baseline,
    box,
    ink,
    loss_figure,
    matrix,
    new_figure,
    pale,
    save,
    series,
    show,
    tile,
)
from albert_np.study import data_folder


def test_the_readmes_picture_is_what_the_command_below_it_draws(tmp_path):
    kept = data_folder() / "albert.svg"
    readme = kept.parents[1] / "README.md"
    if not kept.is_file() or not readme.is_file():
        pytest.skip("the README and its picture do not travel with the package")
    command = "albert-np info base-v2 --figure data/albert.svg"
    assert command in readme.read_text(encoding="utf-8")
    drawn = tmp_path / "albert.svg"
    result = CliRunner().invoke(main, [*command.split()[1:-1], str(drawn)])
    assert result.exit_code == 0, result.stderr
    ours, theirs = (ElementTree.parse(path).getroot() for path in (drawn, kept))
    assert ours.attrib == theirs.attrib  # its size too
    assert [tag.text for tag in ours.iter()] == [tag.text for tag in theirs.iter()]


def test_a_matrix_has_its_numbers_up_to_8_by_8_in_an_ink_that_can_be_read():
    _, (small, large) = new_figure(4, 2, 1, 2)
    matrix(small, np.array([[0.0, 1.0], [0.25, 0.5]]))
    matrix(large, np.ones((9, 2)))
    assert [text.get_text() for text in small.texts] == ["0.00", "1.00", "0.25", "0.50"]
    assert [text.get_color() for text in small.texts] == ["#ffffff", DARK, "#ffffff", DARK]
    assert not large.texts
    assert (ink((0, 0, 0)), ink((1, 1, 1))) == ("#ffffff", DARK)


def test_a_limit_gives_several_matrices_one_scale():
    _, ax = new_figure(2, 2)
    matrix(ax, np.eye(2), signed=True, limit=4.0)
    assert ax.images[0].get_clim() == (-4, 4)


RECORDS = [
    {"step": 1, "mlm_loss": 3.0, "evaluation": None},
    {"step": 2, "mlm_loss": None, "evaluation": {"mlm_loss": 2.5, "sop_loss": None}},
    {"step": 3, "mlm_loss": 2.0},
]


def test_series_leave_out_what_was_not_measured():
    assert [values.tolist() for values in series(RECORDS, "mlm_loss")] == [[1, 3], [3.0, 2.0]]
    assert [values.tolist() for values in series(RECORDS, "mlm_loss", held_out=True)] == [[2], [2.5]]
    assert [values.tolist() for values in series(RECORDS, "sop_loss", held_out=True)] == [[], []]


def test_a_run_is_drawn_with_its_baselines_even_where_nothing_is_known_of_pairs():
    mlm, *_, sop = loss_figure(RECORDS, 100).axes
    assert [line.get_label() for line in mlm.lines[:2]] == ["training batches", "held-out text"]
    assert len(sop.lines) == 1
    assert any("ln 100 = 4.61" in text.get_text() for text in mlm.texts)


def contrast(one, other):
    """The contrast of two colours, by WCAG."""
    light, dark = sorted(0.05 + np.dot(_linear(colour), (0.2126, 0.7152, 0.0722)) for colour in (one, other))[::-1]
    return light / dark


def _linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


LETTERS = ("blue", "green", "vermillion")  # the colours in which figures write, beside INK


@pytest.mark.parametrize("ground", ["#ffffff", "#111111", "#000000"])
def test_colours_stand_out_on_white_and_on_dark(ground):
    for name, colour in COLOURS.items():
        assert contrast(colour, ground) > 3, name


@pytest.mark.parametrize("ground", ["#ffffff", "#000000"])
def test_letters_can_be_read_on_both_grounds_that_a_page_gives_a_figure(ground):
    for colour in (INK, *(COLOURS[name] for name in LETTERS)):
        assert contrast(colour, ground) > 4.5, colour


@pytest.mark.parametrize("ground", [(r, g, b) for r in (0, 0.46, 1) for g in (0, 0.46, 1) for b in (0, 0.46, 1)])
def test_the_ink_on_a_colour_can_be_read(ground):
    assert contrast(ink(ground), "#" + "".join(f"{round(255 * part):02x}" for part in ground)) > 4.5


def test_a_box_has_a_ground_of_its_own_on_which_its_letters_can_be_read():
    _, ax = new_figure(6, 2)
    for i, name in enumerate(COLOURS):
        box(ax, i, 1, (1, 1), "title", "text", name)
        tile(ax, i, 0, 1, 1, "1", name)
        tile(ax, i, 2, 1, 1, "1", name, full=True)
    assert all(patch.get_facecolor()[3] == 1 for patch in ax.patches)
    for name in COLOURS:
        assert contrast(DARK, pale(name)) > 12


# What those see who lack one of three kinds of cones, of linear red, green, blue (Machado, Oliveira, Fernandes 2009).
SEEN = {
    "by all": np.eye(3),
    "without the red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "without the green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "without the blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab(linear):
    """The place of a colour in CIELAB, where equal distances look about equal; 2 can just be told apart."""
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ np.clip(linear, 0, 1)
    x, y, z = np.cbrt(np.maximum(xyz / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN)
def test_no_colour_is_taken_for_another(eyes):
    places = {name: lab(SEEN[eyes] @ _linear(colour)) for name, colour in COLOURS.items()}
    for one, other in combinations(places, 2):
        assert np.linalg.norm(places[one] - places[other]) > 10, (one, other)


@pytest.fixture
def shown(monkeypatch):
    """Return what `show` displays: show's arguments → mimetype → data."""

    def shown(*arguments):
        kept = {}
        monkeypatch.setattr(display, "display", lambda data, raw: kept.update(data))
        show(*arguments)
        return kept

    display = pytest.importorskip("IPython.display")
    return shown


def curve():
    figure, ax = new_figure(6, 2)
    ax.plot([1, 2, 4], color="black", label="a <line> & more")
    ax.set_xlabel("update")
    baseline(ax, 2, "even guess")
    return figure


def test_a_figure_is_shown_with_number_caption_and_a_text_in_the_pictures_place(shown):
    data = shown(curve(), "5.1", "x < y & more.", 'A line that says "up" & <on>.')
    page = ElementTree.fromstring(data["text/html"].replace('">\n<fig', '"/>\n<fig'))
    assert page.attrib["id"] == "figure-5-1"
    assert page.find("img").attrib["alt"] == 'A line that says "up" & <on>.'
    assert page.find("img").attrib["width"] == "576"
    assert "".join(page.find("figcaption").itertext()) == "Figure 5.1 · x < y & more."
    assert data["text/plain"].splitlines() == ["Figure 5.1 · x < y & more.", 'A line that says "up" & <on>.']


def test_a_figure_stands_on_white_or_black_whichever_the_pages_letters_are_not(shown):
    page = shown(curve(), "5.1", "caption", "alt")["text/html"]
    assert "background: oklch(from currentColor round(1 - l) 0 0 / 1)" in page


def test_a_figure_that_could_not_be_read_on_a_phone_is_not_shown(shown):
    wide, _ = new_figure(7, 2)
    with pytest.raises(ValueError, match=r"figure 5\.1 is 7 inches wide: at most 6"):
        shown(wide, "5.1", "caption", "alt")
    small, ax = new_figure(6, 2)
    ax.set_title("tiny", fontsize=8)
    with pytest.raises(ValueError, match=r"figure 5\.2 writes 'tiny' in 8 points: at least 9"):
        shown(small, "5.2", "caption", "alt")


def test_a_figure_has_no_ground_no_black_and_letters_that_are_letters(tmp_path):
    text = save(curve(), tmp_path / "curve.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.attrib["fill"] == INK
    assert "#000000" not in text
    assert "#ffffff" not in text
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"update", "even guess"} <= words


def test_two_drawings_of_one_figure_are_equal_to_the_byte(tmp_path):
    one, other = (save(curve(), tmp_path / name).read_bytes() for name in ("one.svg", "other.svg"))
    assert one == other


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("5", "caption", "alt"), "number is '5'"),
        (("Figure 5.1", "caption", "alt"), "number is 'Figure 5.1'"),
        (("5.1", " ", "alt"), "caption is empty: say what figure 5.1 is about"),
        (("5.1", "caption", ""), "alt is empty: say what figure 5.1 shows"),
    ],
)
def test_a_figure_without_number_caption_or_alt_is_not_shown(arguments, said):
    with pytest.raises(ValueError, match=said):
        show(Figure(), *arguments)


def test_a_figure_is_written_as_its_name_says_or_not_at_all(tmp_path):
    for name, start in (("a.svg", b"<"), ("b.PNG", b"\x89PNG")):
        assert save(Figure(), tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"c\.pdf' must end in \.png or \.svg"):
        save(Figure(), tmp_path / "c.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.PNG"]


def test_what_is_drawn_on_a_bar_can_be_seen():
    for name in COLOURS:
        assert contrast(INK, pale(name)) > 3
        assert contrast(COLOURS["vermillion"], pale(name)) > 3
