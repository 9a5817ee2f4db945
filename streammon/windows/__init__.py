"""Cuts streams into the windows that detectors look at. Pure: no clock, no I/O."""
