"""An active check of a live call: does the face follow the light of the caller's own screen?

The screen shows colours in an order that nobody knew before (`sequence`); the skin of the face
is measured in the call's pictures (`skin`); and the two are held against each other (`scoring`).
The idea is that of Farrukh et al. 2020 (FaceRevelio) and Gerstner and Farid 2022 (Detecting
Real-Time Deep-Fake Videos Using Active Illumination); the arithmetic is our own.
"""
