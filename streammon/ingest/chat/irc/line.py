"""Lines of IRC: from bytes to what they say, and back. Pure.

After modern.ircdocs.horse and ircv3.net/specs/extensions/message-tags. docs/adr says why it is our
own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase

from streammon.ingest.chat.lines import BadLine

MOST_BYTES = 16 * 1024
"""Of a line that is read: 8191 of tags and 512 of the rest are allowed to servers, and some are
more generous."""
MOST_SENT_BYTES = 510
"""Of a line that is sent, without its end."""

_UNESCAPED = {":": ";", "s": " ", "r": "\r", "n": "\n"}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_COMMAND = re.compile(r"[A-Za-z]+|[0-9]{3}")
_FORMATTING = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9a-fA-F]{6}(?:,[0-9a-fA-F]{6})?)?"
    r"|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
_ASCII = str.maketrans(ascii_uppercase, ascii_lowercase)
_RFC1459 = str.maketrans(ascii_uppercase + "[]\\~", ascii_lowercase + "{}|^")


@dataclass(frozen=True, slots=True)
class IrcLine:
    command: str
    """In capitals, or three digits."""
    params: tuple[str, ...] = ()
    source: str = ""
    """`nick!user@host`, or a server's name; empty: the server we talk to."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def param(self, index: int) -> str:
        """A parameter, empty where there are fewer."""
        return self.params[index] if -len(self.params) <= index < len(self.params) else ""

    @property
    def nick(self) -> str:
        """Who sent it."""
        return self.source.partition("!")[0].partition("@")[0]


def parse(raw: bytes) -> IrcLine:
    """Read one line, with or without its end. Raises `BadLine`.

    What is not UTF-8 is taken for Latin-1, as most clients do.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = text.rstrip("\r\n")
    if "\0" in text or "\r" in text:
        raise BadLine("a control character where none may be")
    tags: dict[str, str] = {}
    if text.startswith("@"):
        written, _, text = text.partition(" ")
        tags = _tags(written[1:])
    source, text = "", text.lstrip(" ")
    if text.startswith(":"):
        source, _, text = text[1:].partition(" ")
    middle, has_trailing, trailing = text.partition(" :")
    command, *params = [word for word in middle.split(" ") if word] or [""]
    if not _COMMAND.fullmatch(command):
        raise BadLine("no command in it")
    if has_trailing:
        params.append(trailing)
    return IrcLine(command.upper(), tuple(params), source, tags)


def _tags(written: str) -> dict[str, str]:
    tags = {}
    for tag in written.split(";"):
        key, _, value = tag.partition("=")
        if "\\" in value:
            value = _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[1]), value)
        tags[key] = value
    return tags


def build(command: str, *params: str) -> bytes:
    """The line to send, with its end; the last parameter may hold spaces.

    What would begin another line or a parameter more becomes a space, what is too long is cut.
    """
    *middle, last = params or ("",)
    words = [command, *(re.sub(r"[\s\0]+", "_", each.lstrip(":")) or "*" for each in middle)]
    if params:
        last = re.sub(r"[\r\n\0]+", " ", last)
        words.append(f":{last}" if not last or " " in last or last.startswith(":") else last)
    sent = " ".join(words).encode()[:MOST_SENT_BYTES]
    return sent.decode(errors="ignore").encode() + b"\r\n"


def without_formatting(text: str) -> str:
    """Text without colours and the like, as people read it."""
    return _FORMATTING.sub("", text)


def folded(name: str, *, mapping: str = "rfc1459") -> str:
    """A nick or channel as it is compared: `Ann[]` is `ann{}` by the older mapping."""
    return name.translate(_ASCII if mapping == "ascii" else _RFC1459)
