"""What is made ready before the first step."""

from __future__ import annotations

from calque.models.model import Model
from calque.training.prepare import window_pieces


def test_a_smaller_window_keeps_the_encoders_padding_out_of_the_text(encoder):
    model = Model.load(encoder)
    own = model.encoder.pieces
    padding = next(piece for word in ("cat", "river") for piece in own.rows([[word]])[0].ids.tolist() if piece > own.pad_id)
    own.pad_with(padding)  # as a configuration may say
    smaller = window_pieces(model, 32)
    words = [["cat", "river"]]
    assert smaller.rows(words)[0].ids.tolist() == own.rows(words)[0].ids.tolist()
    assert padding not in smaller.rows(words)[0].ids.tolist()
