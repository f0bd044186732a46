"""Against live PyTorch and Hugging Face, where they are installed."""

import itertools
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from albert_np import ops  # noqa: E402
from albert_np.config import HIDDEN_ACTS, AlbertConfig  # noqa: E402
from albert_np.gradcheck import (  # noqa: E402
    compare_precision,
    compare_with_torch,
    inputs_of,
    randomize,
    small_batch,
    small_config,
    task_cases,
    torch_twin,
)
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel  # noqa: E402

CLASSES = [AlbertModel, AlbertForPreTraining, AlbertForMaskedLM]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "groups, inner, act", list(itertools.product((1, 2, 3), (1, 2), ("gelu", "gelu_new", "relu", "silu", "tanh")))
)
def test_outputs_and_gradients_equal_hugging_faces(cls, groups, inner, act):
    config = small_config(num_hidden_layers=6, num_hidden_groups=groups, inner_group_num=inner, hidden_act=act)
    model = randomize(cls(config, dtype="float64"))
    rows = compare_with_torch(model, inputs_of(model, small_batch(config)))
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)


@pytest.mark.parametrize("sharing", ["all", "attention", "ffn", "none"])
def test_every_way_of_sharing_equals_hugging_faces(sharing):
    model = randomize(AlbertForPreTraining(small_config(num_hidden_layers=3, sharing=sharing), dtype="float64"))
    rows = compare_with_torch(model, small_batch(model.config))
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)


@pytest.mark.parametrize("groups, inner", [(1, 1), (2, 2)])
def test_every_class_and_problem_of_fine_tuning_equals_hugging_faces(groups, inner):
    for name, model, inputs in task_cases(num_hidden_layers=4, num_hidden_groups=groups, inner_group_num=inner):
        rows = compare_with_torch(model, inputs)
        assert all(row.ok for row in rows), f"{name}:\n" + "\n".join(str(row) for row in rows if not row.ok)


@pytest.mark.parametrize("task", [name for name, _, _ in task_cases()])
def test_folders_of_fine_tuned_models_load_in_hugging_face_and_back(task, tmp_path):
    model = next(model for name, model, _ in task_cases("float32") if name == task)
    model.save_pretrained(tmp_path / "ours")
    cls = getattr(transformers, type(model).__name__)
    theirs, info = cls.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    theirs.save_pretrained(tmp_path / "theirs")
    again = type(model).from_pretrained(tmp_path / "theirs")
    assert (again.params.flat == model.params.flat).all()
    assert again.config.num_labels == model.config.num_labels


def test_float32_is_about_as_exact_as_pytorchs():
    def runs():
        for seed, act in itertools.product(range(4), ("gelu", "gelu_new", "relu")):
            config = small_config(hidden_size=48, embedding_size=16, num_hidden_layers=6, hidden_act=act)
            yield randomize(AlbertForPreTraining(config), seed, 0.1), small_batch(config, seed, 4, 9)

    assert compare_precision(runs()).ratio <= 1.5


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_lower_precision_is_no_less_exact_than_autocast(precision):
    def runs():
        for seed in range(3):
            config = small_config(hidden_size=48, embedding_size=16, num_hidden_layers=6)
            model = randomize(AlbertForPreTraining(config), seed, 0.1)
            model.precision = precision
            yield model, small_batch(config, seed, 4, 9)

    assert compare_precision(runs()).ratio <= 1.0


@pytest.mark.parametrize("cls", CLASSES)
def test_folders_load_in_hugging_face_and_back(cls, tmp_path):
    model = randomize(cls(small_config(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2)))
    model.save_pretrained(tmp_path / "ours")
    theirs, info = getattr(transformers, cls.__name__).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ids = np.array([[2, 5, 7, 3]])
    assert_same_outputs(model.eval(), theirs.eval(), ids)
    theirs.save_pretrained(tmp_path / "theirs")
    again = cls.from_pretrained(tmp_path / "theirs")
    assert (again.params.flat == model.params.flat).all()


def test_a_folder_with_partial_sharing_loads_in_hugging_face(tmp_path):
    model = randomize(AlbertForPreTraining(small_config(num_hidden_layers=3, sharing="attention")))
    model.save_pretrained(tmp_path)
    theirs, info = transformers.AlbertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert_same_outputs(model.eval(), theirs.eval(), np.array([[2, 5, 7, 3]]))


def assert_same_outputs(ours, theirs, ids):
    import torch

    out = theirs(torch.from_numpy(ids), output_hidden_states=True)
    np.testing.assert_allclose(
        ours(ids).last_hidden_state, out.hidden_states[-1].detach().numpy(), rtol=1e-4, atol=1e-5
    )


def test_hugging_face_makes_the_same_parameters_for_a_preset():
    config = AlbertConfig.preset("base-v2", vocab_size=100)
    twin = torch_twin(AlbertForPreTraining(config))
    assert {name: tuple(p.shape) for name, p in twin.named_parameters()} == AlbertForPreTraining.parameter_shapes(
        config
    )


def test_our_tests_do_not_silence_hugging_faces_warnings_about_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch_twin(AlbertModel(small_config()))


@pytest.mark.parametrize("act", HIDDEN_ACTS)
def test_activations_and_their_slopes_equal_hugging_faces(act):
    x = np.linspace(-6, 6, 101)
    theirs = torch.tensor(x, requires_grad=True)
    y = transformers.activations.ACT2FN[act](theirs)
    y.sum().backward()
    ours, cache = ops.activation_forward(x, act)
    np.testing.assert_allclose(ours, y.detach().numpy(), rtol=0, atol=1e-10)  # gelu_fast has a rounded constant there
    np.testing.assert_allclose(ops.activation_backward(np.ones_like(x), cache), theirs.grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("cls", [AlbertForMaskedLM, AlbertForPreTraining])
def test_an_untied_decoder_equals_hugging_faces(cls, tmp_path):
    model = randomize(cls(small_config(tie_word_embeddings=False), dtype="float64"))
    rows = compare_with_torch(model, inputs_of(model, small_batch(model.config)))
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)
    model.save_pretrained(tmp_path / "ours")
    theirs = getattr(transformers, cls.__name__).from_pretrained(tmp_path / "ours")
    for name, weight in theirs.state_dict().items():
        np.testing.assert_array_equal(weight.numpy(), model.params[name])
    with torch.no_grad():
        theirs.predictions.bias += 1  # nobody reads it
    theirs.save_pretrained(tmp_path / "theirs")
    again = cls.from_pretrained(tmp_path / "theirs", dtype="float64")
    np.testing.assert_array_equal(again.params.flat, model.params.flat)
