"""Detectors: each looks at windows of some modality and says how likely they are synthetic.

One file per detector, reached by its entry point; `models/` holds networks, weights and cards.
"""
