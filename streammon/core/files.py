"""What stands in the way of a file that somebody named."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def why_not_there(path: Path | str) -> str:
    """Why nothing of that name can be had; empty where it can."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "no such file"
    except OSError as error:  # a folder on the way that is not ours, a name that is too long
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "no such file"  # a name with a NUL in it
    return ""


def why_no_file(path: Path | str) -> str:
    """Why this is no file to be read; empty where it is one."""
    if why := why_not_there(path):
        return why
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        return "it is a folder, not a file"
    return "" if stat.S_ISREG(mode) else "not a regular file"
