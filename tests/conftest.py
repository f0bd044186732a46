"""What all tests share: how properties are tried, models to start from, and what may not be installed."""

import os
import signal

import pytest
from hypothesis import settings
from toys import tasks, texts

from albert_np.tokenization import AlbertTokenizer

# The same examples in every run, on a machine of any speed; `--hypothesis-profile=default` tries others.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so whatever they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """The folder of a random model of 32 positions with its vocabulary, to start from; nothing is written into it."""
    return tasks.model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """The small vocabulary of the reference values."""
    return texts.small_tokenizer(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def released():
    """The vocabulary that Google released, which is not in the repository."""
    if not os.environ.get("ALBERT_NP_SPIECE"):
        pytest.skip("ALBERT_NP_SPIECE does not name the released spiece.model")
    return AlbertTokenizer(os.environ["ALBERT_NP_SPIECE"])


@pytest.fixture(scope="session")
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture(scope="session")
def transformers():
    return pytest.importorskip("transformers", reason="transformers is not installed")
