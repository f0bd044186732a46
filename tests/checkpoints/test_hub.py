import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from toys.torch import plain_dict, storage, tensor, write_zip

from albert_np import AlbertModel
from albert_np.checkpoints.hub import resolve
from albert_np.gradcheck import randomize, small_config

COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNNEEDED = ["README.md", "tf_model.h5", "onnx/model.onnx", "onnx/model.safetensors", "training_args.bin"]


class Hub(http.server.ThreadingHTTPServer):
    """What huggingface_hub asks of a hub: which files a revision has, and the files."""

    def __init__(self, models):
        super().__init__(("127.0.0.1", 0), Handler)
        self.models = models  # name → file → bytes
        self.sent = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        if listing := re.fullmatch(r"/api/models/(.+)/(revision|tree)/([^/]+)", path):
            name, kind, revision = listing.groups()
            files = self.files(name, revision)
            if files is None:
                return
            entries = [self.entry(file, content) for file, content in files.items()]
            about = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}
            self.send(json.dumps(about if kind == "revision" else entries).encode())
        elif wanted := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path):
            name, revision, file = wanted.groups()
            files = self.files(name, revision)
            if files is not None:
                self.send(files[file])
                self.server.sent.append(f"{name}/{file}")

    do_HEAD = do_GET

    @staticmethod
    def entry(file, content):
        return {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def files(self, name, revision):
        error = None
        if name == "owner/gated":
            error = 403, "GatedRepo"
        elif name not in self.server.models:
            error = 404, "RepoNotFound"
        elif revision not in ("main", COMMIT):
            error = 404, "RevisionNotFound"
        if error is None:
            return self.server.models[name]
        self.send(b"", error[0], {"X-Error-Code": error[1]})
        return None

    def send(self, body, status=200, headers=()):
        self.send_response(status)
        etag = hashlib.sha1(body).hexdigest()
        common = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}
        for key, value in {**common, **dict(headers)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    randomize(AlbertModel(small_config())).save_pretrained(folder)
    model = files_of(folder) | dict.fromkeys(["spiece.model", "tokenizer_config.json", *UNNEEDED], b"{}")
    numbers = np.arange(3, dtype=np.float32)
    write_zip(
        folder / "weights", plain_dict({"x": tensor(storage("Float", "0", 3), (3,), (1,))}), {"0": numbers.tobytes()}
    )
    weights = (folder / "weights").read_bytes()
    old = {"config.json": model["config.json"], "pytorch_model.bin": weights, "flax_model.msgpack": b"{}"}
    models = {"owner/model": model | {"pytorch_model.bin": weights}, "owner/old": old}
    with Hub(models) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


SCRIPT = """
import json, sys
from albert_np.checkpoints.hub import resolve
for arguments in json.loads(sys.argv[1]):
    try:
        print(json.dumps(str(resolve(*arguments))))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def ask(home, endpoint, *arguments, **environment):
    """Return what `resolve` does with each of `arguments` in a new process, which reads huggingface_hub's settings."""
    pytest.importorskip("huggingface_hub")
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("HF_", "HTTP"))}
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "NO_PROXY": "*", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)],
        env=kept | settings | environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


NAMES = ["owner/model", "owner/old", "owner/none", "owner/gated", "owner/model--x"]


@pytest.fixture(scope="module")
def online(hub, home):
    arguments = [[name] for name in NAMES] + [["owner/model", COMMIT], ["owner/model", "v9"]]
    return dict(zip([*NAMES, "commit", "no revision"], ask(home, hub.url, *arguments), strict=True))


def test_configuration_tokenizer_and_safetensors_are_fetched_and_nothing_else(online, hub):
    folder = Path(online["owner/model"])
    needed = {"config.json", "model.safetensors", "spiece.model", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == needed
    assert {path.rpartition("/")[2] for path in hub.sent if path.startswith("owner/model/")} == needed
    assert AlbertModel.from_pretrained(folder).config.hidden_size == small_config().hidden_size


def test_pytorchs_format_is_fetched_where_there_are_no_safetensors(online):
    from albert_np.checkpoints.huggingface import read_weights

    folder = Path(online["owner/old"])
    assert {path.name for path in folder.iterdir()} == {"config.json", "pytorch_model.bin"}
    assert read_weights(folder)["x"].tolist() == [0, 1, 2]


def test_a_name_without_owner_and_a_commit_are_fetched(online):
    assert online["commit"] == online["owner/model"]


def test_what_the_hub_refuses_is_said_in_one_sentence(online, hub):
    assert online["owner/none"] == [
        "FileNotFoundError",
        f"owner/none is neither a folder here nor a model on {hub.url} (a private one needs HF_TOKEN)",
    ]
    kind, message = online["owner/gated"]
    assert kind == "PermissionError"
    assert message.startswith(f"owner/gated on {hub.url} is given to those alone who ask for it")
    assert online["no revision"] == ["FileNotFoundError", f"owner/model on {hub.url} has no revision v9"]
    assert online["owner/model--x"][0] == "FileNotFoundError"


def test_offline_the_cache_serves_what_it_has(online, hub, home):
    asked = [["owner/model"], ["owner/old"], ["owner/none"]]
    sent = len(hub.sent)
    model, old, none = ask(home, hub.url, *asked, HF_HUB_OFFLINE="1")
    assert [model, old] == [online["owner/model"], online["owner/old"]]
    assert none[0] == "FileNotFoundError"
    assert re.fullmatch(r"owner/none is neither a folder here nor in the cache .*, and HF_HUB_OFFLINE is set", none[1])
    assert len(hub.sent) == sent


def test_without_a_network_the_cache_serves_what_it_has(online, home):
    dead = "http://127.0.0.1:9"
    model, none = ask(home, dead, ["owner/model"], ["owner/none"])
    assert model == online["owner/model"]
    assert none == ["ConnectionError", f"owner/none is not a folder here, and {dead} does not answer"]


def test_an_existing_path_is_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "model").mkdir(parents=True)
    assert resolve("owner/model") == Path("owner/model")
    assert resolve(tmp_path) == tmp_path


@pytest.mark.parametrize("path", ["./runs/x", "/runs/x", "runs/x/y", "../x", "~/x", "runs\\x", "C:\\x", "a b"])
def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(path)} is not a folder, and no name"):
        resolve(path)


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"^owner/model is not a folder here; .*pip install 'albert-np\[hub\]'$"):
        resolve("owner/model")
