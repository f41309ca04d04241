"""A PyTorch model is measured by the same stages, and is left as it was."""

from __future__ import annotations

from calque.evaluation.speed.stages import watched


def test_stages_of_a_pytorch_model_are_timed_and_the_model_left_as_it_was(make_model, sentences):
    model = make_model()
    pieces, plain = model.encoder.pieces, model.tag(sentences)
    with watched(model) as (same, clock):
        assert same.tag(sentences) == plain
    assert all(seconds > 0 for seconds in clock.seconds.values())
    spent = dict(clock.seconds)
    assert model.tag(sentences) == plain
    assert clock.seconds == spent
    assert model.encoder.pieces is pieces
