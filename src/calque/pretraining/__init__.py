"""Making multilingual encoders: text, vocabulary, word links, objectives and the run itself."""
