"""The checks that every test runs under really fail a test that leaves something behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
UNTIDY = """
import asyncio, subprocess, threading
import pytest
import tests.conftest

tests.conftest.GRACE_S = 0.2
kept = []
halt = threading.Event()

async def test_task_forgotten():
    kept.append(asyncio.create_task(asyncio.Event().wait()))

def test_thread_forgotten():
    kept.append(threading.Thread(target=halt.wait, args=(5,)))
    kept[-1].start()

def test_daemon_forgotten():
    kept.append(threading.Thread(target=halt.wait, args=(5,), daemon=True))
    kept[-1].start()

def test_process_forgotten():
    kept.append(subprocess.Popen(["sleep", "5"]))

def test_ended_process_forgotten():
    kept.append(subprocess.Popen(["true"]))

@pytest.fixture
async def server():
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as it:
        yield it

async def test_tidy_fixture(server):
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

async def test_tidy_executor():
    assert await asyncio.to_thread(int, "7") == 7

def test_tidy_process():
    assert subprocess.run(["true"]).returncode == 0

def test_tidy_loop():
    asyncio.run(asyncio.sleep(0))

@pytest.fixture(scope="session", autouse=True)
def end_what_was_forgotten():
    yield
    halt.set()
    for one in kept:
        if isinstance(one, subprocess.Popen):
            one.kill()
            one.wait()
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Test name to `passed` or to what was left behind."""
    folder = tmp_path_factory.mktemp("untidy")
    (folder / "test_untidy.py").write_text(UNTIDY)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    report = folder / "report.xml"
    arguments = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), *arguments, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        wrong = case.find("error")
        text = "passed" if wrong is None else wrong.get("message", "") + (wrong.text or "")
        found[case.get("name", "")] = text
    return found


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("test_task_forgotten", "tasks"),
        ("test_thread_forgotten", "threads"),
        ("test_daemon_forgotten", "threads"),
        ("test_process_forgotten", "child processes"),
        ("test_ended_process_forgotten", "child processes"),
    ],
)
def test_what_is_left_behind_fails_the_test(outcomes: dict[str, str], name: str, left: str) -> None:
    assert f"{left} left behind" in outcomes[name]


@pytest.mark.parametrize("name", ["fixture", "executor", "process", "loop"])
def test_tidy_tests_pass(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[f"test_tidy_{name}"] == "passed"
