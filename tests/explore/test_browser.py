"""The browser that the page's tests run in."""


def test_the_browser_computes_in_double_precision(page):
    assert page.evaluate("Array.from(new Float64Array([0.1 + 0.2]))") == [0.1 + 0.2]


def test_a_module_is_not_found_by_a_wrong_name(modules):
    assert modules.evaluate("import('/nothing.js').then(() => 'found', () => 'missing')") == "missing"
    assert modules.troubles.pop()
