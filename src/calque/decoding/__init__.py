"""From the scores of a model to answers that are well formed, with NumPy alone."""
