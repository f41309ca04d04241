"""Files in and out: CoNLL-U, tables and web pages."""
