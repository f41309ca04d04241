"""The mean of adapters that routing makes: it follows what it was made of, and is in nobody's way."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from calque.models.adapters import Adapters


@pytest.fixture
def model(make_model, add_adapter):
    made = make_model()
    for seed, name in enumerate(("es", "ca")):
        add_adapter(made, name, seed=seed).languages = [name]
    return made


def mean(model):
    return model.adapters.state(model.mean_adapter(["ca", "es"]))


def test_it_follows_what_it_was_made_of(model):
    def check():
        es, ca = model.adapters.state("es"), model.adapters.state("ca")
        for key, found in mean(model).items():
            torch.testing.assert_close(found, (es[key] + ca[key]) / 2)

    check()
    model.adapters.set_weights("es", {key: 5 * t for key, t in model.adapters.state("es").items()})
    check()
    with model.adapters.unlock(["ca"]) as parameters:
        parameters[0].data.add_(1.0)
    check()
    model.adapters.remove("es")
    assert set(model.adapters) == {"ca"}


def test_an_adapter_of_its_name_is_kept(model, add_adapter):
    add_adapter(model, "mean-of-2", seed=9)
    kept = model.adapters.state("mean-of-2")
    doc = model.parse("el gato", lang="gl", adapters="auto", otherwise="mean")
    assert doc.tokens[0].upos
    assert all(torch.equal(kept[key], t) for key, t in model.adapters.state("mean-of-2").items())
    assert model.mean_adapter(["ca", "es"]) == model.mean_adapter(["es", "ca"]) == "mean-of-2-2"


def test_threads_that_want_the_same_one_share_it(model, monkeypatch):
    merge, wrong = Adapters.merge, []

    def slowly(self, *given, **options):
        time.sleep(0.05)
        return merge(self, *given, **options)

    monkeypatch.setattr(Adapters, "merge", slowly)

    def work():
        try:
            assert model.mean_adapter(["ca", "es"]) == "mean-of-2"
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong
