"""How the shipped weights are made: one folder per detector. Not part of the package."""
