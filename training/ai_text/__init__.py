"""Rebuilds and measures the weights of the `ai_text` detector."""
