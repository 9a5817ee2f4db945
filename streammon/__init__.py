"""streammon: a real-time monitor for synthetic media.

`streammon.detect(content)` judges one piece of content; `Panel` keeps its models for the next.
Both are imported when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streammon.pipelines.detect import Detection, Panel, detect

__version__ = "0.1.0"
__all__ = ["Detection", "Panel", "__version__", "detect"]


def __getattr__(name: str) -> Any:
    if name not in {"Detection", "Panel", "detect"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streammon.pipelines import detect

    return getattr(detect, name)
