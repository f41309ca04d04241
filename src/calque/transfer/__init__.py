"""From one language to another: what carries labels and meanings across."""
