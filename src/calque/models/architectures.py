"""Which transformers serve as encoders, and how long a window each can read: facts of ``config.json``, without PyTorch.

Choices and trade-offs
- A list, not a guess: an architecture is named here once its tiny random model has gone through the whole test (load, window,
  logits equal to the library's own). Everything else is refused before its weights are downloaded, with a word on why.
- Windows are at most 512 pieces, also where the encoder could read more (ModernBERT: 8192): sentences are short, memory is not,
  and a model's configuration may ask for more.
- XLM-R and its family count positions from ``pad_token_id + 1``: of 514 positions 512 can be used, and one piece too many is an
  index error deep inside PyTorch (or garbage on a GPU). That arithmetic lives here and nowhere else.
- Code that comes with a model (``trust_remote_code``) is never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from calque.errors import ModelError

DEFAULT_WINDOW = 512

Positions = Literal["absolute", "after_padding", "relative"]

ARCHITECTURES: dict[str, Positions] = {
    "bert": "absolute",
    "distilbert": "absolute",
    "electra": "absolute",
    "rembert": "absolute",
    "deberta-v2": "absolute",  # relative in the attention, but trained (and biased) within max_position_embeddings
    "modernbert": "absolute",  # rotary; max_position_embeddings is what it was trained for
    "roberta": "after_padding",
    "camembert": "after_padding",
    "xlm-roberta": "after_padding",
    "xlm-roberta-xl": "after_padding",
    "t5": "relative",
    "mt5": "relative",
    "umt5": "relative",
}

_NOT_ENCODERS = {
    "a text generator (a decoder reads words from the left only)": {
        "bloom", "cohere", "falcon", "gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "gptj", "llama",
        "mistral", "mixtral", "olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3", "xglm", "modernbert-decoder",
    },
    "a sequence-to-sequence model": {"bart", "blenderbot", "led", "m2m_100", "marian", "mbart", "pegasus", "prophetnet", "fsmt"},
    "a vision model": {"beit", "clip", "convnext", "deit", "detr", "dinov2", "resnet", "siglip", "swin", "vit", "vit_mae"},
    "a speech model": {"hubert", "wav2vec2", "wav2vec2-bert", "wavlm", "whisper"},
}  # fmt: skip


def check_architecture(config: Mapping[str, Any], where: object) -> str:
    """The ``model_type`` of an encoder's configuration.

    :param config: the parsed ``config.json``.
    :param where: the model's name or folder, for the message.
    :raises ModelError: when no supported encoder is described.
    """
    kind = config.get("model_type")
    known = ", ".join(sorted(ARCHITECTURES))
    if isinstance(quantised := config.get("quantization_config"), Mapping):
        method = quantised.get("quant_method") or "quantization_config in config.json"
        raise ModelError(
            f"{where}: its weights are quantised ({method}), and calque reads plain ones: give the encoder they were made from"
        )
    if not isinstance(kind, str) or not kind:
        raise ModelError(
            f"{where}: config.json has no 'model_type': this is no transformer that calque can load (it loads: {known})"
        )
    if kind in ARCHITECTURES:
        if config.get("is_decoder"):
            raise ModelError(
                f"{where}: this {kind} model is set up as a decoder (is_decoder): give an encoder, such as xlm_roberta_base"
            )
        return kind
    why = next((what for what, names in _NOT_ENCODERS.items() if kind in names), "no encoder that calque knows")
    code = " (it also wants to run code of its own, which calque never does)" if config.get("auto_map") else ""
    raise ModelError(f"{where}: '{kind}' is {why}{code}: give one of the architectures {known}, such as xlm_roberta_base")


def window(config: Mapping[str, Any], where: object = "config.json") -> int:
    """Pieces (special ones included) that the encoder can read at once, 512 at most.

    :raises ModelError: when the configuration leaves no room for a sentence.
    """
    kind = check_architecture(config, where)
    positions = ARCHITECTURES[kind]
    key = "n_positions" if positions == "relative" else "max_position_embeddings"
    most, padding = config.get(key) or DEFAULT_WINDOW, config.get("pad_token_id")
    for name, value in ((key, most), ("pad_token_id", padding or 0)):
        if not isinstance(value, int):
            raise ModelError(f"{where}: '{name}' of config.json is no number ({value!r}): download the model again")
    if positions == "after_padding":
        most -= (1 if padding is None else padding) + 1
    if most < 16:
        raise ModelError(f"{where}: a window of {most} pieces is too small to read sentences: give another encoder")
    return min(int(most), DEFAULT_WINDOW)
