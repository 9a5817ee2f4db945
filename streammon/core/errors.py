"""What a failure means. Adapters name the case; `flow.supervise` owns the reaction."""

from __future__ import annotations


class StreammonError(Exception):
    """Base of every error that streammon raises on purpose."""


class ConfigError(StreammonError):
    """The configuration cannot be used. The text names the field, the value and what is allowed."""


class Retryable(StreammonError):
    """It failed now and may work later: the component is run again after a pause."""


class Permanent(StreammonError):
    """It cannot work without a person: the component fails, its siblings go on.

    The text says what the person has to do.
    """


class Undecodable(Permanent):
    """Content that is not what it is given out as, is cut short, or is of no known format."""


class TooLarge(Permanent):
    """Content beyond a bound on bytes, pixels, seconds or characters; the text names the bound."""
