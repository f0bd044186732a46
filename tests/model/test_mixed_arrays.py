"""Arrays of another backend than the model's are named, or moved where that is meant."""

import numpy as np
import pytest
import toys.strict  # noqa: F401 — the backend of that name

from albert_np.backend import get_backend
from albert_np.gradcheck import check_model, randomize, small_batch, small_config
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel
from albert_np.study.inside import head_statistics, without_heads


@pytest.mark.parametrize("name", ["input_ids", "attention_mask", "token_type_ids", "labels", "sentence_order_label"])
def test_an_input_of_another_backend_is_named_with_the_way_out(name):
    config = small_config()
    batch = small_batch(config)
    batch[name] = get_backend("strict").from_numpy(batch[name])
    told = f"{name} is an array of the backend 'strict', and the model is on 'numpy'.*to_numpy.*model.to\\('strict'\\)"
    with pytest.raises(TypeError, match=told):
        AlbertForPreTraining(config)(**batch)


def test_weights_and_gradients_of_another_backend_are_named():
    config = small_config()
    model = AlbertForPreTraining(config)
    with pytest.raises(TypeError, match=r"word_embeddings.weight is an array of the backend 'strict'"):
        model.load_state_dict(AlbertForPreTraining(config, backend="strict").state_dict())
    model(**small_batch(config))
    with pytest.raises(TypeError, match="the gradient of sop_logits is an array of the backend 'strict'"):
        model.backward(sop_logits=get_backend("strict").from_numpy(np.ones((3, 2))))


def test_a_model_on_a_device_takes_what_is_numpys():
    config = small_config()
    model = AlbertForPreTraining(config, backend="strict").eval()
    plain = AlbertForPreTraining(config).eval()
    assert float(model(**small_batch(config)).loss) == pytest.approx(float(plain(**small_batch(config)).loss), rel=1e-5)
    model.load_state_dict(plain.state_dict())
    with pytest.raises(TypeError, match="input_ids holds text"):
        model([["the", "cat"]])


@pytest.mark.parametrize("given", ["numpy", "strict"])
def test_gradients_of_given_embeddings_are_checked_on_a_device(given):
    model = randomize(AlbertModel(small_config(), dtype="float64", backend="strict"))
    numbers = np.random.default_rng(0).standard_normal((2, 5, model.config.embedding_size))
    embeds = get_backend(given).from_numpy(numbers)
    rows = check_model(model, {"inputs_embeds": embeds}, ("last_hidden_state",), samples=2)
    assert all(row.ok for row in rows)


def test_looking_inside_gives_the_same_on_a_device():
    config = small_config()
    batch = small_batch(config)
    models = [AlbertForMaskedLM(config, dtype="float64", backend=backend).eval() for backend in ("numpy", "strict")]
    given = {name: batch[name] for name in ("input_ids", "attention_mask")}
    outputs = [without_heads(model, [1])(**given, output_attentions=True) for model in models]
    found = [head_statistics(out.attentions[0], given["attention_mask"]) for out in outputs]
    for name, expected in found[0].items():
        np.testing.assert_allclose(found[1][name], expected, rtol=1e-10, atol=1e-12)
