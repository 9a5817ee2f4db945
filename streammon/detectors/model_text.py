"""Text of a window as one string."""

from __future__ import annotations

from streammon.core.types import ChatMessage, Window


def text_of(window: Window) -> str:
    """The messages of a window, one per line, as text that can be encoded."""
    lines = [item.text for item in window.items if isinstance(item, ChatMessage)]
    return "\n".join(lines).encode("utf-8", "replace").decode()


def refusal(window: Window) -> str | None:
    """Why there is nothing to read, or `None`."""
    return None if any(letter.isalnum() for letter in text_of(window)) else "no words"


def bucket(window: Window) -> str:
    """Texts of about one length, so that little of a batch is padding."""
    return str(len(text_of(window)).bit_length())
