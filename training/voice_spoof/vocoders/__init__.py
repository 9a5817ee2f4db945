"""Small vocoders of our own: what they do to real speech teaches the detector what to listen for.

Each is trained on the real clips of one corpus and then says real clips again from features.
"""
