"""Python's own prose: clean English, in documents, always the same."""

import importlib
import sys
import textwrap
import types
from itertools import islice

import numpy as np
import pytest

from albert_np.pretraining import is_held_out, python_prose, python_prose_source
from albert_np.pretraining.prose import clean_prose, is_english_sentence

python_docs = importlib.import_module("albert_np.pretraining.python_docs")

DOCSTRING = """Return the ``sum`` of *all* elements along an :ref:`axis <axes>`.

    The "result" of `sum` has one axis less, see :func:`~numpy.mean` [1]_.  It is the
    **total** over the axis.

    Parameters
    ----------
    axis : int, optional
        The axis along which the elements are added. By default, all of them are.
    out : ndarray
        x = 3 is not a sentence that anybody would read.

    .. versionadded:: 1.0
    .. note:: Inline text of a directive is left out.

    .. warning::
        The text of a warning is kept as it is.

    Here is an example of how it is done::

        The code that stands here is never an English sentence.

    * A bullet that goes on over two
      lines is one sentence.
    * fragment without an end

    >>> print("This is not a sentence of the text.")
    This is the output of a doctest in the text.

    ======= ===========================
    a       The table has a sentence.
    ======= ===========================

    The value is :math:`x^2` and so it is a formula.
    See https://example.org/page for the rest of it.
    """


def test_only_the_sentences_of_a_docstring_are_left():
    assert clean_prose(DOCSTRING) == [
        "Return the sum of all elements along an axis.",
        "The result of sum has one axis less, see numpy.mean.",
        "It is the total over the axis.",
        "The axis along which the elements are added.",
        "By default, all of them are.",
        "The text of a warning is kept as it is.",
        "A bullet that goes on over two lines is one sentence.",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "return the sum of all the elements.",
        "The sum of all the elements",
        "Too short now.",
        "The value of a[i] is in the list.",
        "It is written to the list...",
        "The bracket (that opens is not closed.",
        "Delivers numpy.add.reduce via umath.pyx to core.py and to lib.py.",
        "Colormap, Gravity, Keymap, Visibility, Expose, Destroy, Motion.",
        "Der Text ist für alle da.",
        "The word is repeated" + " and repeated" * 40 + ".",
    ],
)
def test_what_is_no_english_sentence_is_left_out(line):
    assert not is_english_sentence(line)


def test_names_are_allowed_where_a_sentence_carries_them():
    assert is_english_sentence("If __new__ does not return an instance, then the other method is not called.")


@pytest.fixture(scope="module")
def prose():
    return list(python_prose())


def test_the_corpus_is_large_and_holds_each_sentence_once(prose):
    sentences = [sentence for document in prose for sentence in document]
    assert len(sentences) == len(set(sentences)) > 5_000  # with the manual, which not every interpreter has, 21,000
    assert all(document for document in prose)
    assert all(is_english_sentence(sentence) for sentence in sentences)


def test_the_corpus_comes_from_sources_that_every_interpreter_has(prose):
    sentences = {sentence for document in prose for sentence in document}
    for known in (
        "Run command with arguments and return its output.",  # the standard library: subprocess.check_output
        "Compute the arithmetic mean along the specified axis.",  # numpy
        "Return the hexadecimal representation of an integer.",  # Python's built-ins
    ):
        assert known in sentences


def test_the_corpus_is_the_same_every_time(prose):
    assert list(islice(python_prose(), 300)) == prose[:300]
    before = list(python_docs._compiled_docstrings())
    importlib.import_module("numpy.ma")  # what else is imported must not matter
    assert list(python_docs._compiled_docstrings()) == before
    assert python_docs._members(type("C", (), {"b": 2, "a": 1, "__doc__": "c"}))[-2:] == [1, 2]
    assert python_prose_source() == {"python": sys.version.split()[0], "numpy": np.__version__}


def test_some_documents_are_held_out(prose):
    held_out = [document for document in prose if is_held_out(document)]
    assert 0.03 < len(held_out) / len(prose) < 0.08


@pytest.fixture
def small_sources(monkeypatch, tmp_path):
    """A machine whose library is the folder `tmp_path`, and that has neither manual nor compiled docstrings."""
    monkeypatch.setattr(python_docs.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(python_docs.np, "__file__", str(tmp_path / "nothing" / "__init__.py"))
    monkeypatch.setattr(python_docs, "_compiled_docstrings", lambda: iter(()))
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    return tmp_path


def test_a_document_is_a_module_or_a_class_or_one_long_docstring(small_sources):
    long = [f"This is the sentence number {number} of it." for number in range(8)]
    (small_sources / "module.py").write_text(
        textwrap.dedent(f'''
        """This is the module and it has a docstring."""
        def f():
            """This is the function f of the module."""
        class C:
            """This is the class C of the module."""
            def g(self):
                """This is the method g of it.
                """
        def h():
            """{" ".join(long)}"""
        def i():
            """This is the function i of the module."""
        add_newdoc("module", "k", """
            This is the function k, which is compiled.
            """)
        text = """This is a string but not a docstring."""
        ''')
    )
    (small_sources / "test").mkdir()
    (small_sources / "test" / "skipped.py").write_text('"""This is in a test and is left out."""')
    (small_sources / "template.py").write_text('"""This is not a file of Python at all."""\ndef @name@():')
    (small_sources / "deep.py").write_text(f'"""This is in a file that no parser can take."""\nx = {"-" * 200_000}1')
    assert list(python_prose()) == [
        long,
        [
            "This is the module and it has a docstring.",
            "This is the function f of the module.",
            "This is the function i of the module.",
            "This is the function k, which is compiled.",
        ],
        ["This is the class C of the module.", "This is the method g of it."],
    ]


def test_with_libraries_their_docstrings_follow_but_for_those_that_are_missing(small_sources, monkeypatch):
    (small_sources / "module.py").write_text('"""This is the library of the interpreter."""')
    outside = small_sources.parent / "outside"
    (outside / "toylib").mkdir(parents=True)
    (outside / "toylib" / "__init__.py").write_text(
        '"""This is the library of the interpreter. This is another of its sentences."""'
    )
    monkeypatch.syspath_prepend(outside)
    monkeypatch.setattr(python_docs, "_LIBRARIES", ("toylib", "absent"))
    own, further = ["This is the library of the interpreter."], ["This is another of its sentences."]
    assert list(python_prose()) == [own]
    assert list(python_prose(libraries=True)) == [own, further]
    assert python_prose_source(libraries=True) == {**python_prose_source(), "toylib": "unknown"}


def test_an_interpreter_without_sources_gives_the_manual_alone(small_sources, monkeypatch):
    topics = types.ModuleType("pydoc_data.topics")
    topics.topics = {"a": "Title\n*****\n\nThis is the manual of it.", "b": "This is another page of it."}
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", topics)
    assert list(python_prose()) == [["This is the manual of it."], ["This is another page of it."]]


def test_an_interpreter_without_anything_to_read_is_a_clear_error(small_sources):
    with pytest.raises(OSError, match=r"no pydoc_data\.topics, and there are no \.py files in .* name text files"):
        next(python_prose())
