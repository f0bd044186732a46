import collections
import mmap

import numpy as np
import pytest
from toys.torch import number, ordered_dict, parameter, plain_dict, storage, tensor, text, write_before_1_6, write_zip

from albert_np.checkpoints.torch_files import read_torch_file

KINDS = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
NUMBERS = np.arange(12, dtype=np.float32)


@pytest.fixture(params=["zip", "before 1.6"])
def write(request, tmp_path):
    """Return a function that writes one storage and tensors on it, in each of PyTorch's two formats."""

    def write(kind, numbers, make_root):
        path = tmp_path / "weights.bin"
        if request.param == "zip":
            write_zip(path, make_root(storage(kind, "0", numbers.size)), {"0": numbers.tobytes()})
        else:
            root = make_root(storage(kind, "0", numbers.size, b"N"))
            write_before_1_6(path, root, {"0": (numbers.size, numbers.tobytes())})
        return read_torch_file(path)

    return write


def base_of(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array


@pytest.mark.parametrize("kind", KINDS)
def test_a_storage_of_every_type_reads_back(kind, write):
    numbers = (np.arange(6) % 5).astype(KINDS[kind])
    read = write(kind, numbers, lambda where: plain_dict({"x": tensor(where, (2, 3), (3, 1))}))
    assert read["x"].dtype == numbers.dtype
    np.testing.assert_array_equal(read["x"], numbers.reshape(2, 3))


def test_bfloat16_is_widened_exactly(write):
    bits = np.array([0x3F80, 0x4049, 0xFF80, 0x0001, 0x8000], np.uint16)  # 1, 3.140625, -inf, the smallest, -0
    read = write("BFloat16", bits, lambda where: plain_dict({"x": tensor(where, (5,), (1,))}))["x"]
    assert read.dtype == np.float32
    assert read[:3].tolist() == [1.0, 3.140625, -np.inf]
    assert read.view(np.uint32).tolist() == [int(b) << 16 for b in bits]


def test_views_follow_their_strides_and_offsets(write):
    read = write(
        "Float",
        NUMBERS,
        lambda where: ordered_dict(
            {
                "transposed": tensor(where, (4, 3), (1, 4)),
                "part": tensor(where, (2, 2), (4, 2), offset=5),
                "scalar": tensor(where, (), (), offset=7),
                "empty": tensor(where, (2, 0), (1, 1)),
            }
        ),
    )
    matrix = NUMBERS.reshape(3, 4)
    np.testing.assert_array_equal(read["transposed"], matrix.T)
    np.testing.assert_array_equal(read["part"], matrix[1:, 1::2])
    assert read["scalar"].shape == ()
    assert read["scalar"] == 7
    assert read["empty"].shape == (2, 0)


def test_arrays_are_read_only_views_of_the_mapped_file(write):
    read = write(
        "Float",
        NUMBERS,
        lambda where: ordered_dict({"x": tensor(where, (12,), (1,)), "tied": tensor(where, (12,), (1,))}),
    )
    assert isinstance(base_of(read["x"]), mmap.mmap)
    assert not read["x"].flags.writeable
    assert np.shares_memory(read["x"], read["tied"])


def test_parameters_and_the_attributes_of_a_state_dict_are_understood(write):
    attributes = plain_dict({"_metadata": ordered_dict({"": plain_dict({"version": number(1)}), "note": text("é")})})
    read = write(
        "Float",
        NUMBERS,
        lambda where: ordered_dict({"x": parameter(tensor(where, (3,), (1,), offset=9))}) + attributes + b"b",
    )
    np.testing.assert_array_equal(read["x"], NUMBERS[9:])


def test_numbers_in_an_archive_are_aligned_as_they_were_written(tmp_path):
    write_zip(
        tmp_path / "x", plain_dict({"x": tensor(storage("Float", "7", 12), (12,), (1,))}), {"7": NUMBERS.tobytes()}
    )
    assert read_torch_file(tmp_path / "x")["x"].ctypes.data % 64 == 0


@pytest.mark.parametrize("new_format", [True, False])
def test_what_torch_saves_reads_back_to_the_bit(new_format, tmp_path, torch):
    weight = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    state = collections.OrderedDict(
        weight=weight,
        tied=weight,
        parameter=torch.nn.Parameter(weight[1:]),
        transposed=weight.t(),
        strided=weight[1::2, ::3],
        half=weight.half(),
        double=weight.double(),
        bfloat16=weight.bfloat16()[2:],
        integers=torch.arange(3),
        flags=torch.tensor([True, False]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
    )
    state._metadata = {"": {"version": 1}}
    torch.save(state, tmp_path / "x", _use_new_zipfile_serialization=new_format)
    read = read_torch_file(tmp_path / "x")
    assert list(read) == list(state)
    for key, value in state.items():
        expected = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
        assert read[key].dtype == expected.numpy().dtype, key
        np.testing.assert_array_equal(read[key], expected.numpy(), err_msg=key)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_weights_of_a_hugging_face_model_read_back_to_the_bit(dtype, tmp_path, torch, transformers):
    sizes = {"vocab_size": 23, "embedding_size": 4, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12}
    model = transformers.AlbertForPreTraining(transformers.AlbertConfig(**sizes)).to(getattr(torch, dtype))
    torch.save(model.state_dict(), tmp_path / "x")
    read = read_torch_file(tmp_path / "x")
    assert set(read) == set(model.state_dict())
    for key, value in model.state_dict().items():
        expected = value.float() if dtype == "bfloat16" else value
        np.testing.assert_array_equal(read[key], expected.numpy(), err_msg=key)
    decoder, words = read["predictions.decoder.weight"], read["albert.embeddings.word_embeddings.weight"]
    assert np.shares_memory(decoder, words)


def test_a_name_of_several_lines_is_refused_in_one(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    write_zip(path, plain_dict({"a\nb": number(7)}), {})
    with pytest.raises(ValueError, match=r"cannot be read as a PyTorch file: a\\nb is a int, not a tensor$"):
        read_torch_file(path)
