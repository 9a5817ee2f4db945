"""The networks that detectors run, and beside them the weights and cards that ship."""
