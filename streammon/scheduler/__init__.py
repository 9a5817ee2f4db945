"""Decides which window of which stream is looked at by which detector, when, in what batch."""
