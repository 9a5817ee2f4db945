"""`streammon run` with a phone call: it comes, is judged, and the call flow is told a verdict.

The provider is the fake of `tests/phone_calls.py`, written from Twilio's documents.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.answering import Answer, answering
from tests.e2e.program import Program, streammon
from tests.phone_calls import CALL, PUBLIC_URL, TOKEN, Twilio, both_tracks
from tests.speech import speech

CONFIG = """
name: phones
sources:
  phone: {{type: phone, provider: twilio, public_url: "{url}", auth_token: {token}, port: 0}}
detectors: {{voice_spoof: {{}}}}
sinks:
  verdicts: {{type: verdict_webhook, url: "{webhook}", after_windows: 3, least_windows: 2}}
outbox: {{path: "{outbox}"}}
server: {{enabled: false}}
"""

pytestmark = pytest.mark.timeout(120)


def port_of(program: Program) -> int:
    """Where calls are awaited, once the log says so; 0 until then."""
    found = re.search(r"calls_awaited .*\bport=(\d+)", "".join(list(program.said)))
    return int(found.group(1)) if found else 0


async def dial(port: int, peer: Twilio) -> None:
    """Both tracks of a call of eight seconds, four times as fast as they were said."""
    said = (speech()[: 8 * 16_000 : 2] * 32_767).astype(np.int16)
    quiet = np.zeros_like(said)
    pieces = both_tracks(peer.media(said), peer.media(quiet, "outbound"))
    url = f"ws://127.0.0.1:{port}/calls"
    async with connect(url, additional_headers=peer.headers()) as connection:
        for message in peer.opening():
            await connection.send(message)
        for number, message in enumerate(pieces):
            await connection.send(message)
            if number % 20 == 0:
                await asyncio.sleep(0.05)
        await connection.send(peer.stop())
        await connection.wait_closed()


async def test_a_call_is_judged_and_its_flow_is_told(tmp_path: Path) -> None:
    config = tmp_path / "phones.yaml"
    with answering(lambda asked: Answer()) as flow:
        config.write_text(
            CONFIG.format(
                url=PUBLIC_URL,
                token=TOKEN,
                webhook=f"{flow.url}/verdict",
                outbox=tmp_path / "outbox.db",
            )
        )
        with streammon(tmp_path, "run", str(config), "--log-level", "info") as program:
            port = await asyncio.to_thread(
                program.wait_for, lambda: port_of(program), within_s=80.0
            )
            await dial(port, Twilio())
            judged = await asyncio.to_thread(
                program.wait_for_line,
                type="result",
                stream=f"phone.{CALL}.inbound",
                abstained=None,
            )
            await asyncio.to_thread(program.wait_for, lambda: len(flow.asked) >= 2)
            assert program.stop() == 0
    assert judged["details"]["band"] == "telephone"
    told = {
        payload["track"]: payload
        for payload in (asked.json()["data"]["payload"] for asked in flow.asked)
    }
    assert told["inbound"]["call_id"] == told["outbound"]["call_id"] == CALL
    assert told["inbound"]["result"] in {"real", "fake"}
    assert told["inbound"]["band"] == "telephone"
    assert told["outbound"]["result"] == "inconclusive"
    assert told["outbound"]["score"] is None
