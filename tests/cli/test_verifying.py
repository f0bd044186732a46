"""albert-np verify: models of one's own, and a table that is whole at every width."""

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from albert_np import gradcheck
from albert_np.cli import main, verifying
from albert_np.cli.main import results
from albert_np.gradcheck import Comparison
from albert_np.model import AlbertForPreTraining

NAME = "encoder.albert_layer_groups.0.albert_layers.0.attention.output.a_name_without_an_end.LayerNorm.weight"
ROWS = [
    Comparison("loss", 1e-9, 2e-10, (), -340.12345678, -340.12345679, 1e-6),
    Comparison(NAME, 1e-9, 3e-9, (0, 10, 120, 127), 1.1182345e-07, -1.2345678e-105, 1e-6),
    Comparison("attention.key.bias", 1e-9, 9e-7, (3,), 5e-17, -3e-10, 1e-6, zero=True),
]
WRONG = [Comparison(NAME, 0.5, 0.5, (0, 10, 120, 127), -340.12345678, 0.25, 1e-6)]


@pytest.fixture
def printed(monkeypatch, capsys):
    def show(width, sections, show_all):
        def console(_):
            to = results(width)
            to.width = width
            return to

        monkeypatch.setattr(verifying, "results", console)
        verifying._print_table(sections, show_all)
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("width", [80, 100, 139, 140, 200])
def test_a_long_name_pushes_no_number_out(width, printed):
    case = "AlbertForSequenceClassification, multi label"
    out = printed(width, [(case, ROWS), (case, WRONG)], True)
    lines = out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out
    for row in [*ROWS, *WRONG]:
        figures = [f"{row.max_abs:.1e}", f"{row.max_rel:.1e}", str(list(row.index)), f"{row.got:.8g}"]
        figures += [f"{row.expected:.8g}", "zero" if row.zero else "ok" if row.ok else "WRONG"]
        assert any(re.search(r" +".join(map(re.escape, figures)), line) for line in lines), figures
    if width < 140:  # names have their lines to themselves
        assert "".join(line for line in lines if not line.startswith(" ")).count(NAME) == 2


def test_what_is_zero_is_never_the_worst(printed, monkeypatch):
    (line,) = (line for line in printed(200, [("case", ROWS)], False).splitlines() if "worst:" in line)
    assert f"3, worst: {NAME}" in line
    monkeypatch.setattr(verifying, "_difference_sections", lambda seed: [("case", ROWS)])
    call = CliRunner().invoke(main, ["verify", "--json"])
    (section,) = json.loads(call.stdout)
    assert (section["worst"], section["ok"]) == (NAME, True)
    assert [row["zero"] for row in section["comparisons"]] == [False, False, True]
    assert "3 comparisons, 1 of them zero but for rounding: all within" in CliRunner().invoke(main, ["verify"]).stdout


def test_the_keys_bias_is_marked_in_finite_differences():
    (case,) = (case for case in gradcheck.block_cases() if case.name == "attention_branch")
    rows = gradcheck.check_case(case)
    (parts,) = (row for row in rows if row.name == "query_key_value.bias")
    assert not parts.zero  # the query's and the value's stand beside it
    (model,) = (case for case in gradcheck.model_cases() if case.name == "AlbertModel, one group")
    zero = [row.name for row in gradcheck.check_case(model) if row.zero]
    assert [name.rpartition("attention.")[2] for name in zero] == ["key.bias"]


@pytest.mark.filterwarnings("default")
def test_a_model_of_ones_own_is_proved_by_its_folder(start, torch, transformers):
    call = CliRunner().invoke(main, ["verify", "--model", str(start), "--text", "the cat", "--dtype", "float64"])
    assert call.exit_code == 0, call.output
    assert "AlbertForPreTraining, float64" in call.stdout
    assert "1 cases, " in call.stdout
    call = CliRunner().invoke(main, ["verify", "--model", str(start), "--json"])
    sections = json.loads(call.stdout)
    assert [section["case"] for section in sections] == [
        "AlbertForPreTraining, float64",
        "AlbertForPreTraining, float32",
    ]
    assert all(section["ok"] for section in sections)


@pytest.mark.filterwarnings("default")
def test_a_model_that_computes_something_else_fails(start, torch, transformers, monkeypatch):
    from albert_np import ops

    real = ops.activation_backward
    monkeypatch.setattr(ops, "activation_backward", lambda dy, cache: 1.0001 * real(dy, cache))
    call = CliRunner().invoke(main, ["verify", "--model", str(start), "--dtype", "float64"])
    assert call.exit_code == 1
    assert "OUT OF TOLERANCE" in call.stdout


def test_without_torch_one_line_says_what_to_install(start):
    code = "import sys; sys.modules['torch'] = None; from albert_np.cli import main; main()"
    for arguments in (["--model", str(start)], ["--preset", "base-v2"], ["--against", "torch"]):
        done = subprocess.run([sys.executable, "-c", code, "verify", *arguments], capture_output=True, text=True)
        assert done.returncode == 2
        message = "albert-np: comparing with PyTorch needs torch and transformers: pip install 'albert-np[torch]'"
        assert done.stderr == message + "\n"


def test_a_precision_is_verified_against_float64(monkeypatch):
    config = gradcheck.small_config()
    model = gradcheck.randomize(AlbertForPreTraining(config), 0, 0.3)
    case = ("case", model, gradcheck.small_batch(config))
    monkeypatch.setattr(gradcheck, "torch_cases", lambda dtype, preset, seed: [case])
    monkeypatch.setattr(verifying, "find_spec", lambda name: None)
    call = CliRunner().invoke(main, ["verify", "--precision", "bfloat16", "--json"])
    assert call.exit_code == 0, call.output
    (section,) = json.loads(call.stdout)
    (row,) = section["comparisons"]
    assert section["case"] == "case, products in bfloat16"
    assert 1e-4 < row["max_rel"] < row["tolerance"] == 0.1
    assert "autocast is compared where" in call.stderr
    call = CliRunner().invoke(main, ["verify", "--precision", "tf32"])
    assert "all gradients, most off in" in call.stdout
    call = CliRunner().invoke(main, ["verify", "--precision", "tf32", "--dtype", "float64"])
    assert call.exit_code == 2
    assert "--precision is compared with float64" in call.stderr
