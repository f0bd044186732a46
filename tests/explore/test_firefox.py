"""The page in Firefox: a smoke test, through Marionette, the protocol that Firefox itself speaks."""

import itertools
import json
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest

import albert_np as anp
from albert_np.explore import explore


class Firefox:
    """A Firefox without a window. Messages are JSON with their length before them."""

    def __init__(self, profile):
        path = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
        assert path, "this test needs Firefox: apt-get install firefox-esr"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
        command = [path, "--headless", "--marionette", "--no-remote", "--profile", str(profile), "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)
        self.numbers = itertools.count(1)
        self.socket = self.connect(port)
        self.read()  # who it is
        self.ask("WebDriver:NewSession", {})

    def connect(self, port):
        for _ in range(300):
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=60)
            except OSError:
                assert self.process.poll() is None, "Firefox ended"
                time.sleep(0.2)
        raise AssertionError("Firefox does not answer")

    def read(self):
        length = b""
        while (byte := self.socket.recv(1)) != b":":
            assert byte, "Firefox closed the connection"
            length += byte
        message = b""
        while len(message) < int(length):
            message += self.socket.recv(int(length) - len(message))
        return json.loads(message)

    def ask(self, command, parameters):
        message = json.dumps([0, next(self.numbers), command, parameters]).encode()
        self.socket.sendall(b"%d:%b" % (len(message), message))
        *_, error, result = self.read()
        assert error is None, error
        return result

    def run(self, script):
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]

    def close(self):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture
def firefox(tmp_path):
    profile = tmp_path / "profile"
    profile.mkdir()
    firefox = Firefox(profile)
    yield firefox
    firefox.close()


def test_firefox_shows_the_page_replays_it_and_proves_a_gradient(firefox, tmp_path):
    config = anp.AlbertConfig(
        vocab_size=12,
        embedding_size=4,
        hidden_size=8,
        intermediate_size=14,
        num_attention_heads=2,
        num_hidden_layers=2,
        max_position_embeddings=8,
        initializer_range=0.4,
    )
    model = anp.AlbertForPreTraining(config, dtype="float64", seed=3).eval()
    ids = np.array([[2, 5, 4, 7, 8]])
    page = tmp_path / "page.html"
    batch = {"input_ids": ids, "labels": ids, "sentence_order_label": np.array([1])}
    page.write_text(explore(model, batch).html, encoding="utf-8")
    firefox.ask("WebDriver:Navigate", {"url": f"{page.as_uri()}#softmax_backward"})
    for _ in range(300):
        if firefox.run("return !!document.querySelector('.number h3')"):
            break
        time.sleep(0.1)
    assert "arrays replayed" in firefox.run("return document.querySelector('.status').textContent")
    assert "softmax" in firefox.run("return document.querySelector('.stage h2').textContent")
    assert firefox.run("return document.querySelectorAll('.stage math').length") > 0
    firefox.run("document.querySelector('.ask').click()")
    for _ in range(300):
        if firefox.run("return !!document.querySelector('.proof-words')"):
            break
        time.sleep(0.1)
    assert "digits agree" in firefox.run("return document.querySelector('.proof-words').textContent")
