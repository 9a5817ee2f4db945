"""streammon: a real-time monitor for synthetic media."""

__version__ = "0.1.0"
