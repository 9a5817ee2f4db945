"""Measurements of the monitor; each prints its figures and can write them as JSON."""
