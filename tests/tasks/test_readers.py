"""Files of fine-tuning tasks to examples: formats, columns, labels, and what is said about bad files."""

import gzip
import json

import pytest

from albert_np.tasks import (
    KINDS,
    Answer,
    ChoiceExample,
    QuestionExample,
    TaggedExample,
    TextExample,
    glue_files,
    read_examples,
    task_files,
)


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


REVIEWS = [TextExample("a fine film", None, "good"), TextExample('"dull" and long', None, "bad")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", 'text\tlabel\na fine film\tgood\n"dull" and long\tbad\n'),
        ("a.txt", 'Label\tText\ngood\ta fine film\nbad\t"dull" and long\n'),
        ("a.tsv.gz", 'sentence\tid\tlabel\na fine film\t1\tgood\n\t\t\n"dull" and long\t2\tbad\n'),
        ("a.tsv", '\ufefftext\tlabel\r\na fine film\tgood\r\n"dull" and long\tbad'),
        ("a.tsv", 'label\ttext\r\ngood\ta fine film\rbad\t"dull" and long\r\n'),
        ("a.csv", 'label,text\ngood,a fine film\nbad,"""dull"" and long"\n'),
        ("a.jsonl", '{"text": "a fine film", "label": "good"}\n\n{"label": "bad", "text": "\\"dull\\" and long"}\n'),
        ("a.json", '[{"text": "a fine film", "label": "good"}, {"text": "\\"dull\\" and long", "label": "bad"}]'),
    ],
)
def test_every_format_of_a_text_file_gives_the_same_examples(write, name, content):
    assert read_examples(write(name, content), "classification") == REVIEWS


def test_a_quoted_cell_of_csv_may_hold_line_ends_and_commas(write):
    path = write("a.csv", 'text,label\n"one,\ntwo",x\nthree,y\n')
    assert [example.text for example in read_examples(path, "classification")] == ["one,\ntwo", "three"]


GLUE_FILES = {
    "CoLA": ("gj04\t1\t\tShe sang.\ngj04\t0\t*\tShe sang the.\n", "She sang.", None, "1"),
    "SST-2": ("sentence\tlabel\na joy \t1\n", "a joy ", None, "1"),
    "MRPC": (
        '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe "left.\tHe went.\n',
        'He "left.',
        "He went.",
        "1",
    ),
    "QQP": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tWhy?\tHow?\t0\n", "Why?", "How?", "0"),
    "MNLI": (
        "index\tsentence1_parse\tsentence1\tsentence2\tlabel1\tgold_label\n0\t( A )\tA.\tB.\tneutral\tentailment\n",
        *("A.", "B.", "entailment"),
    ),
    "QNLI": ("index\tquestion\tsentence\tlabel\n0\tWho?\tAnn did.\tentailment\n", "Who?", "Ann did.", "entailment"),
    "RTE": ("index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment\n", "A.", "B.", "not_entailment"),
}


@pytest.mark.parametrize("task", GLUE_FILES)
def test_the_files_of_glue_are_read_without_being_told_their_columns(write, task):
    content, *expected = GLUE_FILES[task]
    assert read_examples(write("train.tsv", content), "classification")[0] == TextExample(*expected)


def test_sts_b_is_read_as_numbers(write):
    path = write("train.tsv", "index\tgenre\tsentence1\tsentence2\tscore\n0\tnews\tA man.\tA boy.\t3.750\n")
    assert read_examples(path, "regression") == [TextExample("A man.", "A boy.", 3.75)]


@pytest.mark.parametrize("label", [3, True, 2.5, "3 "])
def test_labels_of_classes_are_strings_whatever_json_has(write, label):
    path = write("a.jsonl", json.dumps({"text": "x", "label": label}))
    assert read_examples(path, "classification")[0].label == str(label).strip()


def test_columns_can_be_named(write):
    path = write("a.csv", "id,stars,body,text,more\n1,5,a book,no,z\n")
    columns = {"text": "body", "label": "stars", "text_pair": "more"}
    assert read_examples(path, "regression", columns=columns) == [TextExample("a book", "z", 5.0)]
    path = write("a.jsonl", '{"stars": 5, "body": "a book"}')
    assert read_examples(path, "regression", columns={"text": "body", "label": "stars"})[0].label == 5.0


SMS = "".join(f"{'spam' if i % 3 == 0 else 'ham'}\tmessage number {i}\n" for i in range(12))


def test_positions_name_the_columns_of_a_file_without_a_header(write):
    path = write("a.csv", "7,a b,x\n8,c d,y\n")
    examples = read_examples(path, "classification", columns={"text": "1", "label": "2"})
    assert examples == [TextExample("a b", None, "x"), TextExample("c d", None, "y")]


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("SMS", SMS, "spam, message number 0"),
        ("a.csv", "v1,v2\n" + SMS.replace("\t", ","), "v1, v2"),
        ("a.tsv", "1\t2\n3\t4\n", "1, 2"),
        ("a.tsv", "x\ta b\tz\n" * 9, "x, a b, z"),
        ("a.tsv", "x\t2\t\ta b\n", "x, 2, , a b"),  # not CoLA's layout: its second column holds 0 and 1
    ],
)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_table_whose_first_line_names_no_known_column_is_asked_about(write, name, content, first, kind):
    with pytest.raises(ValueError, match=rf"line 1: no column has a name known here \({first}\).*--columns text=1"):
        read_examples(write(name, content), kind)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": "text", "label": "text"}, "columns: text and label cannot both be 'text'"),
        ({"text": "-1"}, r"must have one column '-1'; the columns are text, label; positions count from 0"),
        ({"text": "9"}, r"line 1 names the columns \(text, label\)"),
        ({"body": "text"}, r"allowed: text, text_pair, label; as in text=body, what is read comes first"),
    ],
)
def test_columns_that_cannot_be_are_refused(write, columns, message):
    with pytest.raises(ValueError, match=message):
        read_examples(write("a.csv", "text,label\na,x\nb,y\n"), "classification", columns=columns)


def test_words_and_tags_are_two_columns(write):
    path = write("a.conll", "Ann NNP B-per\nsang VBD O\n")
    for columns in ({"words": "-1"}, {"tags": "0"}, {"words": "2"}, {"tags": "-3"}):
        with pytest.raises(ValueError, match="line 1: the words and their tags cannot both be column"):
            read_examples(path, "tagging", columns=columns)


@pytest.mark.parametrize("content", ["text;label\n1,5 or 2;x\nb;y\n", "text\tlabel\n1,5 or 2\tx\nb\ty\n"])
def test_csv_may_have_semicolons_or_tabs(write, content):
    assert read_examples(write("a.csv", content), "classification") == [
        TextExample("1,5 or 2", None, "x"),
        TextExample("b", None, "y"),
    ]


def test_a_cell_of_csv_may_be_long(write):
    long = "word, " * 50_000
    (example,) = read_examples(write("a.csv", f'text,label\n"{long}",x\n'), "classification")
    assert example.text == long


def test_columns_say_whether_the_first_line_is_a_header(write):
    assert read_examples(write("SMS", SMS), "classification", columns={"label": "0", "text": "1"})[:2] == [
        TextExample("message number 0", None, "spam"),
        TextExample("message number 1", None, "ham"),
    ]
    path = write("a.csv", "v1,v2\n" + SMS.replace("\t", ","))
    assert len(read_examples(path, "classification", columns={"label": "v1", "text": "v2"})) == 12
    assert len(read_examples(path, "classification", columns={"label": "0", "text": "1"})) == 13
    path = write("b.tsv", "label\ttext\n" + SMS)
    with pytest.raises(ValueError, match=r"line 1 names the columns \(label, text\)"):
        read_examples(path, "classification", columns={"label": "0", "text": "1"})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("text\tsentence\tlabel", "each of sentence, text could hold the text"),
        ("text\tlabel\tscore", "each of label, score could hold the label"),
        ("text\tstars", "no column is known to hold the label.*text, stars"),
        ("body\tlabel", "no column is known to hold the text"),
        ("text\ttext\tlabel", "must have one column 'text'"),
    ],
)
def test_a_header_that_leaves_a_choice_is_not_guessed_at(write, header, message):
    path = write("a.tsv", header + "\n" + "\t".join("x" * len(header.split("\t"))) + "\n")
    columns = {"text": "text"} if "text\ttext" in header else None
    with pytest.raises(ValueError, match=message):
        read_examples(path, "classification", columns=columns)


def test_unlabelled_texts_may_be_bare_lines(write):
    assert read_examples(write("a.txt", "one thing\n\nand another\n"), "classification", labelled=False) == [
        TextExample("one thing"),
        TextExample("and another"),
    ]
    path = write("test.tsv", "index\tsentence\n0\tShe sang.\n")
    for columns in (None, {"text": "sentence", "label": "acceptable"}):
        assert read_examples(path, "classification", labelled=False, columns=columns) == [TextExample("She sang.")]


def test_several_labels_stand_between_bars_or_in_a_json_list(write):
    path = write("a.tsv", 'text\tlabels\na\tjoy| awe\nb\t\nc\t["x", "y z"]\nd\t[]\ne\tjoy\n')
    labels = [example.label for example in read_examples(path, "multilabel")]
    assert labels == [("joy", "awe"), (), ("x", "y z"), (), ("joy",)]
    path = write("a.jsonl", '{"text": "a", "labels": ["joy", 3]}\n{"text": "a", "labels": "joy"}')
    assert [example.label for example in read_examples(path, "multilabel")] == [("joy", "3"), ("joy",)]


@pytest.mark.parametrize(
    ("kind", "name", "content", "message"),
    [
        ("classification", "a.tsv", "text\tlabel\na\tx\nb\n", r"a\.tsv, line 3: has 1 cells, the first row has 2"),
        ("classification", "a.csv", 'text,label\n"a\nb",x\nc,x,y\n', r"a\.csv, line 4: has 3 cells"),
        ("classification", "a.csv", 'text,label\nb,x\n"a,x\n', r"a\.csv, line 3: not CSV"),
        ("classification", "a.tsv", "text\tlabel\n \tx\n", r"line 2: 'text' must be a text that is not empty"),
        ("classification", "a.tsv", "text\tlabel\na\t\n", r"line 2: the label 'label' is missing"),
        ("classification", "a.jsonl", '{"text": "a", "label": null}', r"entry 1: the label 'label' is missing"),
        ("classification", "a.jsonl", '{"text": "a", "label": ["x"]}', r"must be the name of one class"),
        ("classification", "a.jsonl", '{"text": "a", "label": 1}\n{"text', r"line 2: not JSON"),
        ("classification", "a.jsonl", '{"text": "a", "label": 1}\n[1]', r"line 2: must be a JSON object, got '\[1\]'"),
        ("classification", "a.json", '[{"text": "a", "label": 1}, {"label": 1}]', r"entry 2: 'text' must be a text"),
        ("classification", "a.json", "[" * 10**5, r"line 1: not JSON"),
        (
            "classification",
            "a.json",
            '[{"text": "a",\n "label": "x"},\n {"text" "b"}]',
            r"line 3: not JSON: .* column 10",
        ),
        ("classification", "a.json", '{"text": "a",\n"label" 1}', r"line 2: not JSON"),
        ("classification", "a.jsonl", '{"text"\n{"text": "a", "label": 1}\n', r"line 1: not JSON"),
        (
            "classification",
            "a.jsonl",
            '{"text": "\\ud800", "label": 1}',
            r"entry 1: 'text' holds '\\ud800', half a pair",
        ),
        ("classification", "a.jsonl", '{"text": "a", "label": "x\\udfff"}', r"entry 1: the label 'label' holds"),
        ("classification", "a.tsv", "text\tlabel\na\0b\tx\n", r"line 2: 'text' holds a NUL character"),
        ("classification", "a.csv", 'text,label\n"a"b,x\nc,y\n', r"a\.csv, line 2: not CSV: ',' expected"),
        ("classification", "a.csv", 'text,label\nb,x\n"a,x\nc,y\n', r"a\.csv, lines 3 to 4: not CSV: unexpected end"),
        ("classification", "a.csv", 'text\tlabel\n"a"b\tx\nc\ty\n', r"a\.csv, line 2: not CSV: '\\t' expected"),
        ("classification", "a.csv", "text;label\na;x\nb;x;y\n", r"line 3: has 3 cells, the first row has 2"),
        ("regression", "a.jsonl", '{"text": "a", "label": 1' + "0" * 400 + "}", r"must be a finite number, got 1000"),
        ("multilabel", "a.tsv", "text\tlabels\na\t" + "[" * 10**5 + "\n", r"line 2: the label 'labels': not JSON"),
        ("tagging", "a.conll", "Ann\0\tO\n", r"line 1 holds a NUL"),
        ("tagging", "a.jsonl", '{"words": ["a\\ud800"], "tags": ["O"]}', r"entry 1: 'words' holds"),
        ("tagging", "a.jsonl", '{"words": ["a"], "ner_tags": [3]}', r"say what the numbers stand for, as in names="),
        ("choice", "a.csv", "context,choice0,choice0,label\na,b,c,0\n", r"line 1: two columns are called 'choice0'"),
        (
            "choice",
            "a.csv",
            "context,choice0,choice1,label\na,b,c," + "9" * 5000 + "\n",
            r"line 2: 'label' must lie in",
        ),
        ("answering", "a.jsonl", '{"id": "\\udcff", "question": "q", "context": "c", "answers": []}', r"the id holds"),
        ("classification", "a.json", "[]", r"holds no example"),
        ("classification", "a.csv", ",\n", r"holds no row"),
        ("classification", "a.tsv", " \n", r"holds no text"),
        (
            "classification",
            "a.tsv",
            b"text\tlabel\nna\xefve\tx\n",
            r"line 2: 'text' holds byte 0xef at place 3, which is not UTF-8",
        ),
        ("classification", "a.tsv", "text\tlabel\n", r"holds no example"),
        (
            "regression",
            "a.tsv",
            "text\tscore\na\thigh\n",
            r"line 2: the label 'score' must be a finite number, got 'high'",
        ),
        ("regression", "a.tsv", "text\tscore\na\tnan\n", r"must be a finite number, got 'nan'"),
        (
            "classification",
            "a.tsv",
            "text\tlabel\na\tnan\n",
            r"line 2: the label 'label' must be the name of one class",
        ),
        ("classification", "a.jsonl", '{"text": "a", "label": NaN}', r"must be the name of one class, got nan"),
        (
            "classification",
            "snli.tsv",
            "gold_label\tsentence1\tsentence2\nneutral\ta\tb\n-\ta\tb\n",
            r"line 3: the label 'gold_label' is '-': those who labelled it did not agree",
        ),
        ("multilabel", "a.jsonl", '{"text": "a", "labels": [["x"]]}', r"must hold names with \| between them"),
        ("multilabel", "a.tsv", "text\tlabels\na\t[x\n", r"line 2: the label 'labels': not JSON"),
        ("tagging", "a.conll", "Ann B-per\nsang\n", r"line 2: has 1 columns, the lines before it have 2"),
        ("tagging", "a.conll", "Ann\nsang\n", r"line 1: 'Ann' has no tag"),
        ("tagging", "a.conll", "Ann\tB-per\nsang\t\n", r"line 2: word or tag is missing"),
        ("tagging", "a.jsonl", '{"words": ["a", "b"], "tags": ["O"]}', r"entry 1: has 2 words and 1 tags"),
        ("tagging", "a.jsonl", '{"words": ["a"], "tags": [0]}', r"'tags' must be a list of strings"),
        ("tagging", "a.jsonl", '{"words": ["a"], "tokens": ["a"]}', r"exactly one of words, tokens"),
        ("choice", "a.jsonl", '{"context": "c", "choices": ["a", "b"], "label": 2}', r"0 to 1 or A to B, got '2'"),
        ("choice", "a.jsonl", '{"context": "c", "choices": ["a"], "label": 0}', r"list of two or more strings"),
        ("choice", "a.jsonl", '{"choices": ["a", "b"], "label": 0}', r"entry 1: 'context' must be a text"),
        ("choice", "a.txt", '{"article": "c", "questions": ["q"], "options": []}', r"lists of the same length"),
    ],
)
def test_a_bad_file_is_named_with_the_line(write, kind, name, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_examples(write(name, content), kind)
    assert name in str(caught.value)


def test_arguments_of_another_kind_are_named(write):
    path = write("a.tsv", "text\tlabel\na\tx\n")
    with pytest.raises(TypeError, match="a path must be text or a Path, got 5"):
        read_examples(5, "classification")
    with pytest.raises(TypeError, match="columns='text' must be a dict"):
        read_examples(path, "classification", columns="text")
    with pytest.raises(ValueError, match="example 1: 'text' must be a text that is not empty, got None"):
        KINDS["classification"].checked([TextExample(None, None, "x")])


def test_damaged_gzip_is_named(tmp_path):
    path = tmp_path / "a.tsv.gz"
    for content in (b"no gzip", gzip.compress(b"text\tlabel\n" * 99)[:40]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.tsv\.gz is not a whole gzip file"):
            read_examples(path, "classification")


def test_bad_rows_can_be_collected_instead(write):
    errors = []
    path = write("train.tsv", "question1\tquestion2\tis_duplicate\na\tb\t1\nc\td\n\te\t1\nf\tg\t0\n")
    examples = read_examples(path, "classification", on_bad=errors.append)
    assert [example.text for example in examples] == ["a", "f"]
    assert [str(error).partition(": ")[0][-6:] for error in errors] == ["line 3", "line 4"]


def collected(path, kind, **options):
    errors = []
    examples = read_examples(path, kind, on_bad=errors.append, **options)
    assert all(type(error) is ValueError and str(path) in str(error) for error in errors)
    return examples, [str(error).removeprefix(f"{path}, ").partition(":")[0] for error in errors]


BYTES = {  # name → kind, content with a bad byte in its second of three examples, where
    "a.tsv": ("classification", b"text\tlabel\na\tx\nb\xe9\tx\nc\ty\n", "line 3"),
    "b.tsv": ("classification", b"text\tlabel\na\tx\nb\tx\xe9\nc\ty\n", "line 3"),
    "a.csv": ("classification", b'text,label\na,x\n"b\n\xe9",x\nc,y\n', "line 3"),
    "a.jsonl": (
        "classification",
        b'{"text": "a", "label": 1}\n{"text": "b\xe9", "label": 1}\n{"text": "c", "label": 2}',
        "line 2",
    ),
    "a.json": (
        "classification",
        b'[{"text": "a", "label": 1},\n{"text": "b\xe9", "label": 1}, {"text": "c", "label": 2}]',
        "entry 2",
    ),
    "a.conll": ("tagging", b"a O\n\nb O\n\xe9 O\n\nc O\n", "line 4"),
    "c.csv": ("choice", b"context,choice0,choice1,label\na,d,e,0\nb,d\xe9,e,0\nc,d,e,1\n", "line 3"),
}


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_row_that_is_not_utf8_can_be_left_out(write, name, packed):
    kind, content, where = BYTES[name]
    path = write(name + packed, content)
    kept, bad = collected(path, kind)
    assert [example[0][0] for example in kept] == ["a", "c"]
    assert [place[: len(where)] for place in bad] == [where]
    with pytest.raises(ValueError, match=rf"{where}.* holds byte 0xe9 at place \d, which is not UTF-8; convert"):
        read_examples(path, kind)


@pytest.mark.parametrize("content", ["text\tlabel\na\tx\n".encode("utf-16"), b"\x1f\x8b\xff", b"\x80\x02}q\0"])
def test_what_is_no_text_at_all_is_no_row_to_be_left_out(write, content):
    with pytest.raises(ValueError, match=r"line 1: byte 0x.. at place [123] of the line is not UTF-8"):
        collected(write("a.tsv", content), "classification")


def test_another_column_than_those_read_may_hold_any_bytes(write):
    texts, bad = collected(write("a.tsv", b"text\tauthor\tlabel\na\tZo\xeb\tx\n"), "classification")
    assert [example.text for example in texts] == ["a"]
    assert not bad


def test_bad_rows_of_every_format_can_be_collected(write):
    texts, bad = collected(write("a.csv", 'text,label\na,x\n"b"c,x\nd,y\n"e,y\nf,x\n'), "classification")
    assert [example.text for example in texts] == ["a", "d"]
    assert bad == ["line 3", "lines 5 to 6"]
    texts, bad = collected(
        write("a.jsonl", '{"text": "a", "label": 1}\n{\n{"text": "b", "label": 2}'), "classification"
    )
    assert [example.text for example in texts] == ["a", "b"]
    assert bad == ["line 2"]
    sentences, bad = collected(write("a.conll", "Ann\tO\n\nBo\tO\nsang\n\nHm\tO\n"), "tagging")
    assert [example.words for example in sentences] == [("Ann",), ("Hm",)]
    assert bad == ["line 4"]
    content = json.loads(squad(QA))
    content["data"] += ["x", {"title": "Bo", "paragraphs": [{"context": "c", "qas": None}, content["data"][0]]}]
    asked, bad = collected(write("a.json", json.dumps(content)), "answering")
    assert [example.id for example in asked] == ["q1"]
    assert len(bad) == 3
    folder = write("race/1.txt", json.dumps(RACE)).parent
    write("race/2.txt", " ")
    write("race/3.txt", "{")
    asked, bad = collected(folder, "choice")
    assert asked == QUESTIONS
    assert len(bad) == 2


def test_a_class_may_be_called_minus(write):
    path = write("a.tsv", "text\tlabel\na\t-\nb\t+\n")
    assert [example.label for example in read_examples(path, "classification")] == ["-", "+"]


def test_a_wrong_call_is_refused_before_reading(tmp_path):
    with pytest.raises(ValueError, match="task='ner' must be one of classification, multilabel"):
        read_examples("x", "ner")
    with pytest.raises(ValueError, match="'labels' is nothing that choice reads; allowed: context, question"):
        read_examples("x", "choice", columns={"labels": "x"})
    with pytest.raises(ValueError, match="allowed: none"):
        read_examples("x", "answering", columns={"text": "x"})
    for kind in KINDS:
        with pytest.raises(FileNotFoundError, match=r"no file .*gone\.tsv"):
            read_examples(tmp_path / "gone.tsv", kind)
    with pytest.raises(ValueError, match="is a folder"):
        read_examples(tmp_path, "tagging")


SENTENCES = [TaggedExample(("Ann", "Lee", "sang"), ("B-per", "I-per", "O")), TaggedExample(("Hm",), ("O",))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.conll", "Ann\tB-per\nLee\tI-per\nsang\tO\n\nHm\tO\n"),
        ("a.bio", "-DOCSTART- -X- O\n\nAnn NNP B-per\nLee  NNP  I-per\r\nsang VBD O\n\n \nHm UH O"),
        (
            "a.jsonl",
            '{"tokens": ["Ann", "Lee", "sang"], "ner_tags": ["B-per", "I-per", "O"]}\n{"words": ["Hm"], "tags": ["O"]}',
        ),
    ],
)
def test_every_format_of_a_tagged_file_gives_the_same_examples(write, name, content):
    assert read_examples(write(name, content), "tagging") == SENTENCES


def test_columns_of_tagged_words_are_positions(write):
    path = write("a.conllu", "1\tAnn\tPROPN\t_\n2\tsang\tVERB\t_\n")
    examples = read_examples(path, "tagging", columns={"words": "1", "tags": "2"})
    assert examples == [TaggedExample(("Ann", "sang"), ("PROPN", "VERB"))]
    with pytest.raises(ValueError, match="tags='upos' must be a position"):
        read_examples(path, "tagging", columns={"tags": "upos"})
    with pytest.raises(ValueError, match="line 1: word or tag is missing"):
        read_examples(path, "tagging", columns={"tags": "9"})


CONLLU = """# newdoc
# text = Don't you?
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVBP\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
2.1\tsing\tsing\tVERB\tVB\t_\t_\t_\t0:root\t_
3\tyou\tyou\tPRON\tPRP\t_\t1\tnsubj\t_\t_
4\t?\t?\tPUNCT\t.\t_\t1\tpunct\t_\t_

# text = # 1
1\t#\t#\tSYM\t$\t_\t0\troot\t_\t_
2\t1\t1\tNUM\tCD\t_\t1\tdep\t_\t_

"""


def test_conll_u_is_read_as_released(write):
    path = write("en_ewt-ud-dev.conllu", CONLLU)
    assert read_examples(path, "tagging") == [
        TaggedExample(("Do", "n't", "you", "?"), ("AUX", "PART", "PRON", "PUNCT")),
        TaggedExample(("#", "1"), ("SYM", "NUM")),
    ]
    assert read_examples(path, "tagging", columns={"tags": "4"})[1].tags == ("$", "CD")
    assert read_examples(path, "tagging", labelled=False)[1] == TaggedExample(("#", "1"))


def test_numbers_of_labels_may_have_names(write):
    path = write("a.jsonl", '{"tokens": ["Ann", "Lee", "sang"], "ner_tags": [1, 2, 0]}')
    names = ("O", "B-per", "I-per")
    assert read_examples(path, "tagging", names=names) == SENTENCES[:1]
    path = write("a.tsv", "text\tlabel\na\t1\nb\t0\nc\tbad\n")
    labels = [example.label for example in read_examples(path, "classification", names=["bad", "good"])]
    assert labels == ["good", "bad", "bad"]
    path = write("b.tsv", "text\tlabels\na\t1|0\n")
    assert read_examples(path, "multilabel", names=["bad", "good"])[0].label == ("good", "bad")
    with pytest.raises(ValueError, match="line 2: the label 'label' must be a number from 0 to 0 or one of the names"):
        read_examples(write("a.tsv", "text\tlabel\na\t1\n"), "classification", names=["bad"])
    with pytest.raises(ValueError, match="the tag must be a number from 0 to 1"):
        read_examples(write("a.conll", "Ann 3\n"), "tagging", names=["bad", "good"])
    for wrong in ("bad", ["x", "x"], [0, 1]):
        with pytest.raises(ValueError, match="must be a list of strings, each once"):
            read_examples(path, "multilabel", names=wrong)
    with pytest.raises(ValueError, match="the labels of regression have no names"):
        read_examples(path, "regression", names=["a"])


def test_a_folder_for_each_class_is_read_as_imdb_has_them(write, tmp_path):
    for name in ("train/pos/0_9", "train/neg/0_1", "train/neg/1_2", "train/unsup/0_0", "test/pos/0_8", "test/neg/0_3"):
        write(f"imdb/{name}.txt", f"a film, {name}")
    write("imdb/train/urls_pos.txt", "http")
    files = task_files(tmp_path / "imdb", "classification")
    assert {use: path.name for use, path in files.items()} == {"train": "train", "eval": "test"}
    assert task_files(files["train"], "classification") == {"train": files["train"]}
    with pytest.warns(UserWarning, match=r"train: left out unsup, 1 texts without a class"):
        train = read_examples(files["train"], "classification")
    assert train == [
        TextExample("a film, train/neg/0_1", None, "neg"),
        TextExample("a film, train/neg/1_2", None, "neg"),
        TextExample("a film, train/pos/0_9", None, "pos"),
    ]
    assert [e.label for e in read_examples(files["eval"], "classification")] == ["neg", "pos"]
    assert len(read_examples(files["train"] / "unsup", "classification", labelled=False)) == 1
    with pytest.raises(ValueError, match=r"one folder of \.txt files for each class; test has folders itself"):
        read_examples(tmp_path / "imdb", "classification")
    with pytest.raises(ValueError, match=r"one folder of \.txt files for each class$"):
        read_examples(files["train"] / "pos", "classification")
    write("imdb/test/neg/1_1.txt", " ")
    with pytest.raises(ValueError, match=r"1_1\.txt holds no text"):
        read_examples(files["eval"], "classification")


def test_the_parts_of_a_folder_are_found(write, tmp_path):
    for part in ("train", "dev", "test"):
        write(f"RACE/{part}/high/1.txt", json.dumps(RACE))
    files = task_files(tmp_path / "RACE", "race")
    assert {use: path.name for use, path in files.items()} == {"train": "train", "eval": "dev"}
    for name in ("train.tsv", "dev.tsv"):
        write(f"glue/RTE/{name}", "x")
    assert task_files(tmp_path / "glue", "rte") == glue_files(tmp_path / "glue", "rte")


def test_words_alone_can_be_read(write):
    path = write("a.conll", "Ann\nsang\n")
    assert read_examples(path, "tagging", labelled=False) == [TaggedExample(("Ann", "sang"))]


def squad(*qas):
    return json.dumps(
        {"version": "v2.0", "data": [{"title": "Ann", "paragraphs": [{"context": "Ann sang. Bo slept.", "qas": qas}]}]}
    )


QA = {"id": "q1", "question": "Who sang?", "answers": [{"text": "Ann", "answer_start": 0}]}


def test_squad_is_read_nested_and_flat(write):
    none = {
        "id": "q2",
        "question": "Who ate?",
        "answers": [],
        "is_impossible": True,
        "plausible_answers": QA["answers"],
    }
    expected = [
        QuestionExample("q1", "Who sang?", "Ann sang. Bo slept.", (Answer("Ann", 0),)),
        QuestionExample("q2", "Who ate?", "Ann sang. Bo slept.", ()),
    ]
    assert read_examples(write("dev.json", squad(QA, none)), "answering") == expected
    flat = [
        {
            "id": "q1",
            "context": "Ann sang. Bo slept.",
            "question": "Who sang?",
            "answers": {"text": ["Ann"], "answer_start": [0]},
        },
        {
            "id": "q2",
            "context": "Ann sang. Bo slept.",
            "question": "Who ate?",
            "answers": {"text": [], "answer_start": []},
        },
    ]
    assert read_examples(write("dev.jsonl.gz", "\n".join(map(json.dumps, flat))), "answering") == expected
    unlabelled = read_examples(write("test.json", squad({"id": 0, "question": "Who?"})), "answering", labelled=False)
    assert unlabelled == [QuestionExample("0", "Who?", "Ann sang. Bo slept.", None)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": [{"text": "Ann", "answer_start": 1}]}, r"question 'q1': at answer_start=1 the context has 'nn '"),
        ({"answers": [{"text": "Ann", "answer_start": -19}]}, r"question 'q1': an answer must have"),
        ({"answers": [{"text": "Ann"}]}, r"an answer must have a text and an answer_start from 0, got 'Ann' at None"),
        ({"answers": [{"text": " ", "answer_start": 3}]}, r"an answer must have a text"),
        ({"answers": {"text": ["Ann"], "answer_start": []}}, r"'answers' must be a list of objects"),
        ({"answers": None}, r"'answers' must be a list of objects"),
        ({"is_impossible": True}, r"question 'q1': is_impossible, and yet has answers"),
        ({"question": ""}, r"'question' must be a text that is not empty"),
        ({"id": None}, r"each question needs an id of its own"),
        ({"id": "q0"}, r"question 'q0': each question needs an id of its own, got 'q0'"),
    ],
)
def test_a_bad_question_is_named_by_its_id(write, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_examples(write("dev.json", squad(QA | {"id": "q0"}, QA | change)), "answering")
    assert "dev.json" in str(caught.value)


def test_a_file_that_is_no_squad_is_refused(write):
    with pytest.raises(ValueError, match=r"article 'Ann': 'paragraphs' must be a list of objects"):
        read_examples(write("a.json", '{"data": [{"title": "Ann"}]}'), "answering")


RACE = {
    "article": "Ann sang.",
    "questions": ["Who?", "_ sang."],
    "options": [["Ann", "Bo"], ["Bo", "Ann"]],
    "answers": ["A", "B"],
}
QUESTIONS = [
    ChoiceExample("Ann sang.", "Who?", ("Ann", "Bo"), 0),
    ChoiceExample("Ann sang.", "_ sang.", ("Bo", "Ann"), 1),
]


def test_race_is_read_as_a_folder_or_a_file(write):
    path = write("train/high/1.txt", json.dumps(RACE))
    write("train/middle/2.txt", json.dumps(RACE))
    assert read_examples(path, "choice") == QUESTIONS
    assert read_examples(path.parent.parent, "choice") == QUESTIONS * 2
    with pytest.raises(ValueError, match=r"1\.txt, entry 1, question 2: 'label' must lie in"):
        read_examples(write("train/high/1.txt", json.dumps(RACE | {"answers": ["A", "C"]})), "choice")


def test_choices_are_read_from_json_and_tables(write):
    one = {"article": "Ann sang.", "question": "Who?", "options": ["Ann", "Bo"], "answer": "A"}
    two = {"context": "Ann sang.", "question": "_ sang.", "choices": ["Bo", "Ann"], "label": 1}
    assert read_examples(write("a.jsonl", f"{json.dumps(one)}\n{json.dumps(two)}"), "choice") == QUESTIONS
    table = "context,question,choice1,choice0,label\nAnn sang.,Who?,Bo,Ann,0\nAnn sang.,_ sang.,Ann,Bo,1\n"
    assert read_examples(write("a.csv", table), "choice") == QUESTIONS
    swag = "sent1,sent2,ending0,ending1,label\nAnn rose.,She,sang,slept,0\n"
    columns = {"context": "sent1", "question": "sent2", "choices": "ending"}
    assert read_examples(write("b.csv", swag), "choice", columns=columns) == [
        ChoiceExample("Ann rose.", "She", ("sang", "slept"), 0)
    ]
    with pytest.raises(ValueError, match="line 2: 'sent9' must be a text"):
        read_examples(write("b.csv", swag), "choice", columns=columns | {"question": "sent9"})
    no_question = read_examples(write("c.jsonl", '{"context": "c", "choices": ["a", "b"]}'), "choice", labelled=False)
    assert no_question == [ChoiceExample("c", None, ("a", "b"))]


def test_glue_files_are_found_in_its_folder_and_in_the_tasks_own(write, tmp_path):
    for name in ("train.tsv", "dev_matched.tsv", "dev_mismatched.tsv", "test_matched.tsv"):
        write(f"glue/MNLI/{name}", "x")
    found = glue_files(tmp_path / "glue", "mnli")
    assert {use: path.name for use, path in found.items()} == {
        "train": "train.tsv",
        "eval": "dev_matched.tsv",
        "eval_mismatched": "dev_mismatched.tsv",
        "test": "test_matched.tsv",
    }
    assert glue_files(tmp_path / "glue" / "MNLI", "mnli") == found
    with pytest.raises(ValueError, match="task_name='snli' must be one of cola, "):
        glue_files(tmp_path, "snli")
    with pytest.raises(FileNotFoundError, match=r"rte needs .*train\.tsv"):
        glue_files(tmp_path / "glue", "rte")
