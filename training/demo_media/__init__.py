"""Renders, synthesises and writes the media of the demo."""
