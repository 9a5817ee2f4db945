"""Measures every detector the same way: labelled files and texts in, figures with intervals out."""
