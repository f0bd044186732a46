import itertools
import math

import numpy as np
import pytest
from toys.texts import stories

from albert_np.checkpoints import find_model
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining
from albert_np.pretraining import PRETRAINING, PretrainingRun, Recipe, evaluate_kinds, prepare_run
from albert_np.study import quickstart as job
from albert_np.tasks.fill_mask import fill_mask
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import evaluate

STEPS = 5
VOCAB_SIZE = 700


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A quickstart of a few updates on a part of the text, and what was reported meanwhile."""
    output = tmp_path_factory.mktemp("quickstart") / "run"
    documents = stories(150)
    reported, records = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "python_prose", lambda: documents)
        patch.setattr(job, "VOCAB_SIZE", VOCAB_SIZE)
        summary = job.quickstart(output, STEPS, report=reported.append, on_step=records.append)
    return output, summary, reported, records


def test_the_quickstart_goes_through_every_stage(finished):
    output, summary, reported, records = finished
    stages = "counting", "reading", "150 documents of", "learning", "tokenizing", "an epoch", "prepared", "training"
    assert [said.startswith(stage) for said, stage in zip(reported, stages, strict=True)] == [True] * 8
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5]
    assert (output / "model.safetensors").is_file()
    assert len(summary.blanks) == len(job.BLANKS)


def test_the_untrained_model_guesses_by_frequency_and_by_a_coin(finished):
    _, summary, _, _ = finished
    above = summary.untrained["mlm_loss"] - summary.baselines.unigram_loss
    assert 0 < above < 0.2  # what random logits cost, notebook 17, eq. 17.3
    run = PretrainingRun(finished[0])
    batches = [batch for batch, _ in itertools.islice(run.data().batches(), 30)]  # held-out pairs are few
    assert evaluate(run.untrained_model(), batches, PRETRAINING)["sop_loss"] == pytest.approx(math.log(2), abs=0.02)
    assert summary.trained["mlm_loss"] < summary.untrained["mlm_loss"]


def test_baselines_are_those_of_the_held_out_labels(finished):
    run = PretrainingRun(finished[0])
    batches = run.held_out_batches(max_examples=None)
    base = job.baselines(run, batches)
    labels = [int(v) for batch in batches for v in batch.labels.ravel() if v >= 0]
    accuracies = {token: labels.count(token) / len(labels) for token in set(labels)}
    assert base.frequent_accuracy == pytest.approx(max(accuracies.values()))
    assert accuracies[run.tokenizer.convert_tokens_to_ids(base.frequent_token)] == base.frequent_accuracy
    ids = run.corpus.ids.tolist()
    total = len(ids) + run.config.vocab_size
    expected = sum(-math.log((ids.count(v) + 1) / total) for v in labels) / len(labels)
    assert base.unigram_loss == pytest.approx(expected)
    assert 0.5 <= base.majority_order <= 1


def test_held_out_documents_are_not_trained_on(finished):
    run = PretrainingRun(finished[0])
    training, held_out = (
        {bytes(c.ids[c.sentence_starts[a] : c.sentence_starts[b]]) for a, b in itertools.pairwise(c.document_starts)}
        for c in (run.corpus, run.held_out)
    )
    assert run.held_out.num_documents + run.corpus.num_documents == 150
    assert held_out
    assert not training & held_out


def test_the_finished_model_is_the_one_summarised(finished):
    output, summary, _, _ = finished
    model = AlbertForPreTraining.from_pretrained(output)
    assert evaluate_kinds(model, PretrainingRun(output).held_out_kinds(None)) == summary.trained


def test_a_run_of_the_same_seed_gives_the_same_losses(finished, tmp_path, monkeypatch):
    _, _, _, records = finished
    documents = stories(150)
    monkeypatch.setattr(job, "python_prose", lambda: documents)
    monkeypatch.setattr(job, "VOCAB_SIZE", VOCAB_SIZE)
    again = []
    job.quickstart(tmp_path / "again", STEPS, on_step=again.append)
    assert [r["loss"] for r in again] == [r["loss"] for r in records]


def test_fill_mask_ranks_whole_vocabulary_probabilities(finished):
    output = finished[0]
    tokenizer = AlbertTokenizer.from_pretrained(output)
    model = AlbertForMaskedLM.from_pretrained(output)
    (blank,) = fill_mask(model, tokenizer, "return the [MASK] of the list.", top_k=VOCAB_SIZE)
    assert sum(c.probability for c in blank) == pytest.approx(1, abs=1e-4)
    assert [c.probability for c in blank] == sorted((c.probability for c in blank), reverse=True)
    logits = model(tokenizer("return the [MASK] of the list.", return_tensors="np")["input_ids"]).logits
    at = tokenizer("return the [MASK] of the list.")["input_ids"].index(tokenizer.mask_token_id)
    assert blank[0].token_id == int(np.argmax(logits[0, at]))
    assert blank[0].text.startswith("return the")


def test_fill_mask_refuses_what_it_cannot_answer(finished):
    output = finished[0]
    tokenizer, model = AlbertTokenizer.from_pretrained(output), AlbertForMaskedLM.from_pretrained(output)
    with pytest.raises(ValueError, match=r"has no \[MASK\]"):
        fill_mask(model, tokenizer, "no blank")
    with pytest.raises(ValueError, match=f"top_k=0: allowed are 1 to {VOCAB_SIZE}"):
        fill_mask(model, tokenizer, "[MASK]", 0)
    with pytest.raises(ValueError, match="takes at most 64"):
        fill_mask(model, tokenizer, "[MASK] " * 200)


def test_find_model_prefers_the_finished_model(finished, tmp_path):
    output = finished[0]
    assert find_model(output) == output
    (output / "config.json").rename(tmp_path / "config.json")
    try:
        assert find_model(output).parent == output / "checkpoints"
    finally:
        (tmp_path / "config.json").rename(output / "config.json")
    assert find_model("owner/name") == "owner/name"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "steps is 0; allowed is a whole number from 1 "),
        ({"batch_size": 0}, "batch_size is 0; allowed"),
        ({"batch_size": "32"}, "batch_size is '32'; allowed"),
        ({"max_seq_length": 4}, "max_seq_length is 4; allowed is a whole number from 8 "),
        ({"masked_lm_prob": 1.5}, "masked_lm_prob is 1.5; allowed"),
        ({"pairs": "swap"}, "pairs is 'swap'; allowed is one of 'order', 'google', 'next', 'none'"),
        ({"accumulation": 0}, "accumulation is 0; allowed"),
        ({"accumulation": 10**9}, "accumulation is 1000000000; allowed is a whole number from 1 to 65536"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; allowed is one of 'lamb', 'adamw'"),
        ({"schedule": "cosine"}, "schedule is 'cosine'; allowed is one of 'linear', 'google'"),
        ({"warmup_steps": 10}, "warmup_steps=10 must be below steps=10"),
        ({"threads": 0}, "threads is 0; allowed"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0; allowed is a finite number at least 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan; allowed"),
        ({"weight_decay": math.inf}, "weight_decay is inf; allowed"),
        ({"max_grad_norm": 0.0}, "max_grad_norm is 0.0; allowed is a number above 0"),
        ({"max_grad_norm": math.nan}, "max_grad_norm is nan; allowed"),
        ({"seed": -1}, "seed is -1; allowed"),
        ({"log_every": True}, "log_every is true; allowed"),
        ({"dtype": "float16"}, "dtype is 'float16'; allowed is one of 'float32', 'float64'"),
        ({"bias_correction": 1}, "bias_correction is 1; allowed is true or false"),
        ({"recompute": "all"}, "recompute is 'all'; allowed is one of"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_before_anything_is_written(setting, message):
    with pytest.raises(ValueError, match=f"^the recipe: {message}"):
        Recipe(**{"steps": 10, **setting})


def test_zero_is_a_learning_rate_and_numbers_may_be_numpys():
    assert Recipe(10, learning_rate=0).learning_rate == 0
    recipe = Recipe(np.int64(10), learning_rate=np.float32(0.5), seed=np.uint8(3))
    assert (type(recipe.steps), type(recipe.learning_rate), recipe.seed) == (int, float, 3)


def test_a_share_that_leaves_nothing_to_train_on_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="held_out is 1; allowed is a number from 0 to below 1"):
        prepare_run(tmp_path / "run", list, None, job.CONFIG, Recipe(10, max_seq_length=32), held_out=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ('{"config": {}}', "recipe is missing"),
        ('{"config": [], "recipe": {"steps": 1}}', "config is a list; allowed is an object"),
        ('{"config": {}, "recipe": {}}', "recipe.steps is missing"),
        ('{"config": {}, "recipe": {"steps": -1}}', "is damaged: the recipe: steps is -1; allowed"),
        ('{"config": {}, "recipe": {"steps": 1, "speed": 1}}', "recipe.speed is unknown"),
        ('{"config": {"hidden_size": "x"}, "recipe": {"steps": 1}}', "is damaged: .*hidden_size"),
    ],
)
def test_a_damaged_run_file_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=rf"run\.json.*{message}"):
        PretrainingRun(tmp_path)


def test_a_bad_path_fails_before_any_text_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "python_prose", lambda: pytest.fail("the text was read"))
    (tmp_path / "file").write_text("x")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        job.quickstart(tmp_path / "file" / "run")
    with pytest.raises(FileExistsError, match="file"):
        job.quickstart(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
