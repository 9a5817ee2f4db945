"""A frame with what was said of it drawn in. Pure: the same input gives the same picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.core.types import (
    Alert,
    AlertState,
    DetectionResult,
    Region,
    Severity,
    VideoFrame,
)
from streammon.overlay.pen import GREY, TRACK, WHITE, Pen, Rgb, printable

LEAST_FURNITURE_PX = (96, 54)
"""Pictures narrower or lower than this are shown bare: nothing could be read."""
LEAST_NAMES_PX = 240
"""Narrower pictures show a region's score without its name."""
TALLEST = 2.0
"""Taller than so many widths, a picture is made narrower instead."""

_CALM: Rgb = (72, 201, 150)
_UNSURE: Rgb = (255, 190, 70)
_LIKELY: Rgb = (255, 98, 98)

_BANNERS: dict[Severity, tuple[Rgb, Rgb]] = {
    Severity.INFO: ((28, 84, 190), WHITE),
    Severity.WARNING: ((255, 184, 56), (24, 18, 4)),
    Severity.CRITICAL: ((184, 22, 38), WHITE),
}
"""Ground and text of the incident banner; each pair has a contrast above 5 to 1."""
_RANK = tuple(Severity)


def draw(
    frame: VideoFrame,
    *,
    results: Sequence[DetectionResult],
    history: Sequence[float | None],
    incidents: Sequence[Alert],
    width: int,
) -> NDArray[np.uint8]:
    """A new (height, width, 3) RGB picture: the frame resized, then drawn upon.

    Only what concerns the frame's stream is drawn, and of incidents those that are not closed.
    `history`: scores of the recent past, oldest first, `None` where there was none.
    """
    image_rgb = resized(frame.image_rgb, width)
    height_px, width_px = image_rgb.shape[:2]
    if width_px < LEAST_FURNITURE_PX[0] or height_px < LEAST_FURNITURE_PX[1]:
        return image_rgb
    pen = Pen(image_rgb, text_px=min(8 + width_px // 100, 32))
    own = [result for result in results if result.stream == frame.stream]
    regions = sorted(
        (region for result in own for region in result.regions),
        key=lambda region: -1.0 if region.score is None else region.score,
    )
    boxes = [(region, box) for region in regions if (box := _box_px(region, pen)) is not None]
    for region, (x1, y1, x2, y2) in boxes:
        pen.frame(x1, y1, x2, y2, _region_colour(region))
    open_ = [
        incident
        for incident in incidents
        if incident.stream == frame.stream and incident.state is not AlertState.CLOSED
    ]
    top_px = _draw_banner(pen, open_, frame) if open_ else 0
    top_px = _draw_corner(pen, frame, top_px=top_px)
    bottom_px = _draw_scores(pen, _newest_by_kind(own), history, top_px=top_px)
    for region, box in boxes:
        _draw_label(pen, region, box, top_px=top_px, bottom_px=bottom_px)
    return image_rgb


def resized(image_rgb: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A copy `width` pixels wide with the same shape; narrower if it would be too tall."""
    height_px, width_px = image_rgb.shape[:2]
    scale = min(width / width_px, TALLEST * width / height_px)
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    if size == (width_px, height_px):
        return np.array(image_rgb, np.uint8, order="C")
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image_rgb, size, interpolation=how), np.uint8)


def colour_of(score: float) -> Rgb:
    """Green, amber, red: below 0.5, below 0.8, above. The number always stands beside it."""
    return _CALM if score < 0.5 else _UNSURE if score < 0.8 else _LIKELY


def clock_text(media_s: float) -> str:
    """`1:02:03.4`, hours only where there are some."""
    if not math.isfinite(media_s * 10):
        return "-:--"
    tenths = round(abs(media_s) * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    sign = "-" if media_s < 0 else ""
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{head}:{rest / 10:04.1f}"


def title_of(kind: str) -> str:
    """`voice_spoof` as people write it."""
    words = printable(kind.replace("_", " "))
    return words[:1].upper() + words[1:]


def _newest_by_kind(results: Sequence[DetectionResult]) -> list[DetectionResult]:
    """One result per kind, modality and participant, the strongest first, abstentions last."""
    newest: dict[tuple[str, str, str], DetectionResult] = {}
    for result in sorted(results, key=lambda result: result.end_s):
        newest[result.kind, result.modality, result.participant] = result
    return sorted(
        newest.values(),
        key=lambda result: (
            -1.0 if result.confidence is None else result.confidence,
            result.kind,
            result.modality,
            result.participant,
        ),
        reverse=True,
    )


def _box_px(region: Region, pen: Pen) -> tuple[int, int, int, int] | None:
    """Its corners in pixels, put right and inside the picture; `None` if they are no numbers."""
    if not all(math.isfinite(at) for at in (region.x1, region.y1, region.x2, region.y2)):
        return None
    left, right = sorted(min(max(x, 0.0), 1.0) for x in (region.x1, region.x2))
    upper, lower = sorted(min(max(y, 0.0), 1.0) for y in (region.y1, region.y2))
    wide, high = pen.width_px - 1, pen.height_px - 1
    return round(left * wide), round(upper * high), round(right * wide), round(lower * high)


def _region_colour(region: Region) -> Rgb:
    return WHITE if region.score is None else colour_of(region.score)


def _draw_label(
    pen: Pen, region: Region, box: tuple[int, int, int, int], *, top_px: int, bottom_px: int
) -> None:
    """Above the box, or inside it where the banner or the scores would be in the way."""
    pad_px = pen.text_px // 3
    name = region.label if pen.width_px >= LEAST_NAMES_PX else ""
    score = "" if region.score is None else f" {region.score:.2f}"
    label = pen.fitted(f"{name}{score}", pen.width_px // 2)
    if not label:
        return
    plate_px = pen.width_of(label) + 2 * pad_px
    x = min(box[0], pen.width_px - plate_px)
    y = max(min(box[1], bottom_px) - pen.line_px, top_px)
    pen.plate(x, y, x + plate_px, y + pen.line_px)
    pen.text(label, (x + pad_px, y), _region_colour(region))


def _draw_banner(pen: Pen, incidents: Sequence[Alert], frame: VideoFrame) -> int:
    """The most severe incident across the top; returns how far down it reaches."""
    shown = max(incidents, key=lambda alert: (_RANK.index(alert.severity), alert.evidence_level))
    ground, ink = _BANNERS[shown.severity]
    newest_s = max(shown.media_s, frame.media_s) if frame.epoch == shown.epoch else shown.media_s
    open_s = max(0.0, newest_s - shown.opened_s)
    more = f"  +{len(incidents) - 1} more" if len(incidents) > 1 else ""
    side = f"{shown.severity.upper()}  {clock_text(open_s)}{more}"
    margin_px = pen.text_px * 2 // 3
    wordy = pen.width_px >= 400 and bool(shown.why)
    bottom_px = pen.line_px * (2 if wordy else 1) + margin_px // 2
    pen.fill(0, 0, pen.width_px, bottom_px, ground)
    room_px = pen.width_px - 2 * margin_px
    side_px = pen.width_of(side, bold=True)
    name = pen.fitted(
        title_of(shown.kind), max(room_px - side_px - margin_px, room_px // 2), bold=True
    )
    name_px = pen.width_of(name, bold=True)
    if name_px + margin_px + side_px > room_px:
        side = pen.fitted(clock_text(open_s), room_px - name_px - margin_px, bold=True)
        side_px = pen.width_of(side, bold=True)
    top_px = margin_px // 4
    pen.text(name, (margin_px, top_px), ink, bold=True)
    pen.text(side, (pen.width_px - margin_px - side_px, top_px), ink, bold=True)
    if wordy:
        pen.text(pen.fitted(shown.why, room_px), (margin_px, top_px + pen.line_px), ink)
    return bottom_px


def _draw_corner(pen: Pen, frame: VideoFrame, *, top_px: int) -> int:
    """Whose picture it is, when, and if it came damaged; returns how far down it reaches."""
    pad_px = pen.text_px // 2
    when = clock_text(frame.media_s) + ("  damaged" if frame.damaged else "")
    room_px = pen.width_px - 3 * pad_px - pen.width_of(when)
    name = pen.fitted(frame.stream, min(room_px, pen.width_px // 2), bold=True)
    name_px = pen.width_of(name, bold=True) + pad_px if name else 0
    right_px = name_px + pen.width_of(when) + 2 * pad_px
    pen.plate(0, top_px, right_px, top_px + pen.line_px)
    pen.text(name, (pad_px, top_px), WHITE, bold=True)
    pen.text(when, (pad_px + name_px, top_px), _UNSURE if frame.damaged else GREY)
    return top_px + pen.line_px


def _draw_scores(
    pen: Pen, rows: Sequence[DetectionResult], history: Sequence[float | None], *, top_px: int
) -> int:
    """A plate along the bottom: a row per kind and, where there is room, the recent past.

    Returns where it begins.
    """
    if not rows:
        return pen.height_px
    most = max(1, (pen.height_px - top_px) // 2 // pen.line_px)
    shown = rows if len(rows) <= most else rows[: max(1, most - 1)]
    lines = len(shown) + (len(shown) < len(rows) and most > 1)
    pad_px = pen.text_px // 2
    upper_px = pen.height_px - lines * pen.line_px - pad_px
    pen.plate(0, upper_px, pen.width_px, pen.height_px)
    past = pen.width_px >= 320 and sum(score is not None for score in history) > 0
    right_px = pen.width_px * 5 // 8 if past else pen.width_px - pad_px
    y = upper_px + pad_px // 2
    for row in shown:
        _draw_row(pen, row, (pad_px, y), right_px=right_px)
        y += pen.line_px
    if lines > len(shown):
        pen.text(f"+{len(rows) - len(shown)} more", (pad_px, y), GREY)
    if past:
        box = (
            right_px + 2 * pad_px,
            upper_px + pad_px,
            pen.width_px - pad_px,
            pen.height_px - pad_px,
        )
        _draw_history(pen, history, box)
    return upper_px


def _draw_row(pen: Pen, row: DetectionResult, at: tuple[int, int], *, right_px: int) -> None:
    """Label, bar, number; or label and the reason to abstain."""
    x, y = at
    mark = " (experimental)" if row.experimental else ""
    who = f" {row.participant}" if row.participant else ""
    label_px = (right_px - x) * 9 // 20
    pen.text(pen.fitted(title_of(row.kind) + mark + who, label_px), (x, y), WHITE)
    bar_x = x + label_px + pen.text_px // 2
    if row.confidence is None:
        reason = pen.fitted(row.abstained or "", right_px - bar_x)
        pen.text(reason, (bar_x, y), GREY)
        return
    colour = colour_of(row.confidence)
    number = f"{row.confidence:.2f}"
    number_x = right_px - pen.width_of("0.00", bold=True)
    half_px = max(2, pen.text_px // 4)
    middle = y + pen.line_px // 2
    pen.bar(bar_x, middle - half_px, number_x - pen.text_px // 2, middle + half_px,
            share=row.confidence, colour=colour)  # fmt: skip
    pen.text(number, (number_x, y), colour, bold=True)


def _draw_history(
    pen: Pen, history: Sequence[float | None], box: tuple[int, int, int, int]
) -> None:
    """The scores of the recent past as a line, broken where there was none, with 0.5 marked."""
    x1, y1, x2, y2 = box
    if x2 - x1 < 8 or y2 - y1 < 6:
        return
    middle = (y1 + y2) // 2
    pen.fill(x1, middle, x2, middle + 1, TRACK)
    step_px = (x2 - x1) / max(len(history) - 1, 1)
    run: list[tuple[int, int]] = []
    last: tuple[tuple[int, int], float] | None = None
    for index, score in enumerate([*history, None]):
        if score is not None:
            point = (round(x1 + index * step_px), round(y2 - min(max(score, 0.0), 1.0) * (y2 - y1)))
            run.append(point)
            last = (point, score)
        elif run:
            pen.curve(run, WHITE)
            run = []
    if last is not None:
        pen.dot(last[0], colour_of(last[1]))
