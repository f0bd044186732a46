import math

import numpy as np
import pytest

from albert_np import ops
from albert_np.config import PRESETS, AlbertConfig
from albert_np.execution import head_blocks
from albert_np.gradcheck import small_config
from albert_np.model import AlbertForPreTraining, AlbertModel
from albert_np.study import (
    activation_bytes_per_token,
    activations_per_token,
    count_parameters,
    describe,
    flops_per_token,
    parameters_by_part,
)


@pytest.mark.parametrize("preset", PRESETS)
def test_parts_sum_to_the_whole(preset):
    config = AlbertConfig.preset(preset)
    assert sum(parameters_by_part(config).values()) == count_parameters(config, AlbertForPreTraining)


def test_parts_of_base_are_the_known_ones():
    assert parameters_by_part(AlbertConfig.preset("base-v2")) == {
        "embeddings": 3_906_048,
        "projection E→H": 99_072,
        "attention": 2_363_904,
        "feed-forward": 4_723_968,
        "pooler": 590_592,
        "MLM head": 128_688,
        "SOP head": 1_538,
    }


def test_sharing_saves_weights_and_neither_computation_nor_activations():
    figures = describe(AlbertConfig.preset("base-v2"))
    alone = figures["without_sharing"]
    assert alone["backbone_parameters"] == 89_650_176
    assert alone["flops_per_token"] == figures["flops_per_token"]
    assert alone["activation_bytes_per_sequence"] == figures["activation_bytes_per_sequence"]


@pytest.mark.parametrize(
    "preset, millions", [("base-v2", 188.9), ("large-v2", 654.6), ("xlarge-v2", 2517), ("xxlarge-v2", 4934)]
)
def test_flops_per_token_do_not_know_of_sharing(preset, millions):
    flops = flops_per_token(AlbertConfig.preset(preset), 512)
    assert flops / 1e6 == pytest.approx(millions, rel=5e-4)
    assert flops_per_token(AlbertConfig.preset(preset, sharing="none"), 512) == flops


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("block_bytes", [head_blocks.BLOCK_BYTES, 0])
def test_activations_are_what_the_caches_hold(block_bytes, precision, monkeypatch):
    monkeypatch.setattr(head_blocks, "BLOCK_BYTES", block_bytes)  # up to where probabilities are kept
    config = small_config(num_hidden_layers=3, inner_group_num=2)
    model = AlbertModel(config).eval()
    model.precision = precision
    model(np.ones((2, 9), int))
    buffers = {}

    def walk(value):
        if isinstance(value, np.ndarray):
            base = value
            while base.base is not None:
                base = base.base
            if base is not model.params.flat:
                buffers[id(base)] = base.nbytes
        elif isinstance(value, ops.LinearCache):
            walk(value.x)  # weights are the model's, or rounded once for all steps
        elif isinstance(value, tuple | list):
            for child in value:
                walk(child)

    walk(model.cache.encoder.steps)
    walk(model.cache.encoder.calls)
    per_token, told = sum(buffers.values()) / (2 * 9), activation_bytes_per_token(config, 9, precision)
    small = 4 * 2 * 6  # 1/σ of the two LayerNorms in each of 6 steps
    assert told <= per_token <= told + small
    assert precision != "float32" or told == 4 * activations_per_token(config, 9)


def test_activations_of_base_in_each_precision():
    figures = describe(AlbertConfig.preset("base-v2"), 128)
    on_gpu = figures["gpu_activation_bytes_per_sequence"]
    assert on_gpu["float32"] == on_gpu["tf32"] == figures["activation_bytes_per_sequence"] == 84_934_656
    assert on_gpu["bfloat16"] == on_gpu["float16"] == 84_934_656 - 12 * 128 * 2 * (3 * 768 + 3072)
    config, matrices = AlbertConfig.preset("base-v2"), 0
    for name, shape in AlbertForPreTraining.parameter_shapes(config).items():
        if name.endswith("weight") and len(shape) == 2 and "position_" not in name and "token_type_" not in name:
            matrices += math.prod(shape)
    assert figures["rounded_weight_bytes"] == 2 * matrices == 23_411_712
    with pytest.raises(ValueError, match="precision='half': allowed are"):
        activation_bytes_per_token(config, 128, "half")


def test_positions_out_of_range_are_refused():
    with pytest.raises(ValueError, match="positions=513: allowed are 1 to 512"):
        describe(AlbertConfig.preset("base-v2"), 513)
    with pytest.raises(TypeError, match=r"config must be an AlbertConfig, .*, got 'base-v2'"):
        describe("base-v2")


def test_weight_bytes_are_the_released_sizes():
    sizes = {
        name: describe(AlbertConfig.preset(f"{name}-v2"))["weight_bytes_float32"] / 1e6 for name in ("base", "xxlarge")
    }
    assert math.isclose(sizes["base"], 46.7, abs_tol=0.05)
    assert math.isclose(sizes["xxlarge"], 890.4, abs_tol=0.05)
