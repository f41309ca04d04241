"""How a model is run: ONNX Runtime and NumPy, no PyTorch (``session``); and how it gets there from PyTorch (``export``)."""
