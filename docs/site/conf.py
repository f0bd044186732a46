"""Sphinx's settings for the site; `docs/build.py` gathers the pages and runs it."""

from pathlib import Path

import ziamath  # for its font: a browser sets formulas well in one made for them alone

project = "albert_np"
author = "the authors of albert_np"
extensions = ["myst_nb", "mathematics"]

html_theme = "furo"
html_title = "ALBERT from the inside"
html_math_renderer = "mathml"
html_static_path = ["site.css", str(Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf")]
html_css_files = ["site.css"]
pygments_dark_style = "a11y-high-contrast-dark"  # Furo's own underlines modules, as if they were links
html_copy_source = False
html_show_search_summary = False  # a page opened from a disk may not read others
html_show_copyright = html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}

nb_execution_mode = "off"  # they are shown as they were built
nb_merge_streams = True
nb_code_prompt_show = nb_code_prompt_hide = "Code of the figure"
myst_enable_extensions = ["dollarmath", "tasklist"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # of skeletons with gaps in them
