"""Takes docs/wall.png: the wall of the demo in Chromium, once its incidents are open.

`python -m training.demo_media.picture --out docs/wall.png`. Needs Debian's chromium, takes about
a minute. Prints which incidents the picture shows.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.browser.chromium import PROGRAM, wall
from tests.e2e.program import streammon

WIDTH, HEIGHT = 1440, 900
INCIDENTS = 3
"""A cloned voice, a picture that stands still, a flooded chat."""
WITHIN_MS = 120_000
SEEN_S = 1.0
"""How long the last incident may grow before the picture is taken."""
OPEN = '#incident-list .incident[data-open="true"]'


async def take(out: Path, folder: Path) -> list[str]:
    """Runs the demo, waits for its incidents, writes the picture; returns their titles."""
    with streammon(folder, "demo", "--headless", "--port", "0") as program:
        url = await asyncio.to_thread(program.url)
        async with wall(f"{url}/", width=WIDTH, height=HEIGHT, color_scheme="dark") as opened:
            await opened.live()
            page = opened.page
            shown = page.locator(OPEN)
            await shown.nth(INCIDENTS - 1).wait_for(timeout=WITHIN_MS)
            await asyncio.sleep(SEEN_S)
            await page.screenshot(path=out)
            titles = await shown.locator("h3").all_inner_texts()
        await asyncio.to_thread(program.stop)
    return titles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=Path("docs/wall.png"), metavar="FILE")
    out: Path = parser.parse_args().out
    if PROGRAM is None:
        parser.error("needs Debian's browser: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        titles = asyncio.run(take(out, Path(folder)))
    print(f"{out}: {', '.join(titles)}")


if __name__ == "__main__":
    main()
