"""Trains and measures the network behind the `voice_spoof` detector."""
