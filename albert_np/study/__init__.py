"""Studies of a model: what a configuration costs, what heads do, the paper's ablations in miniature, the quickstart."""

from albert_np.study.costs import (
    Product,
    activation_bytes_per_token,
    activations_per_token,
    count_parameters,
    describe,
    flops_per_token,
    matrix_products,
    parameters_by_part,
    word_embedding_parameters,
)
from albert_np.study.experiments import (
    EXPERIMENTS,
    MEASURES,
    NATS,
    Experiment,
    Variant,
    layer_distances,
    read_result,
    result_table,
    run_experiment,
)
from albert_np.study.inside import head_statistics
from albert_np.study.shipped import data_folder, shipped_folder

__all__ = [
    "EXPERIMENTS",
    "MEASURES",
    "NATS",
    "Experiment",
    "Product",
    "Variant",
    "activation_bytes_per_token",
    "activations_per_token",
    "count_parameters",
    "data_folder",
    "describe",
    "flops_per_token",
    "head_statistics",
    "layer_distances",
    "matrix_products",
    "parameters_by_part",
    "read_result",
    "result_table",
    "run_experiment",
    "shipped_folder",
    "word_embedding_parameters",
]
