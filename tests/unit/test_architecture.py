"""The rules of the house that a machine can keep: a limit in a guide would not survive."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath

import pytest

from streammon.config import GROUPS
from streammon.registry import AdapterConfig, adapter_class, known

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / name for name in ("streammon", "sinks", "pipelines")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = sorted({path.resolve() for folder in FOLDERS for path in folder.rglob("*.py")})

MOST_FILE_LINES, MOST_FUNCTION_LINES, MOST_CLASS_LINES = 400, 50, 200

# Where a failure of anything at all is caught, because it ends there: each with its reason.
BORDERS = {
    "streammon/flow/supervise.py": "the worker border: what fails is run again or given up",
    "streammon/flow/threads.py": "hands a thread's error to the event loop",
    "streammon/detectors/members.py": "a member that fails must not take its combinator with it",
    "streammon/scheduler/desk.py": "a window that a detector chokes on is only its own loss",
    "streammon/scheduler/thread.py": "hands a call's error to whoever waits for it",
    "streammon/scheduler/work.py": "a detector that fails is counted, then given up",
    "pipelines/examine.py": "a window that a detector chokes on is only its own loss",
    "sinks/outbox_writer.py": "the writer's end is told to everyone who waits for it",
}
HEAVY = {
    "torch", "cv2", "av", "numba", "librosa", "sklearn", "scipy", "numpy", "aiortc", "faust",
    "confluent_kafka", "fastapi", "uvicorn", "websockets", "rich", "prometheus_client",
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def trees() -> list[tuple[str, ast.Module]]:
    return [(name_of(path), ast.parse(path.read_text(encoding="utf-8"))) for path in FILES]


def offences(
    offends: Callable[[ast.AST], bool], *, allowed: Mapping[str, str] | None = None
) -> list[str]:
    """Places in the package where it is so, but for files that are allowed to."""
    return [
        f"{name}:{getattr(node, 'lineno', 0)}"
        for name, tree in trees()
        if name not in (allowed or {})
        for node in ast.walk(tree)
        if offends(node)
    ]


def dotted(node: ast.AST) -> str:
    """`asyncio.create_task` for the expression that says so; `?` for what is worked out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


# --- size and shape --------------------------------------------------------------------------


def test_the_package_is_where_we_look() -> None:
    names = {name_of(path) for path in FILES}
    assert {"streammon/cli.py", "sinks/wire.py", "pipelines/view.py"} <= names


@pytest.mark.parametrize("folder", ["sinks", "pipelines"])
def test_the_top_level_folders_are_reached_through_links(folder: str) -> None:
    link = ROOT / "streammon" / folder
    assert link.is_symlink()
    assert link.resolve() == ROOT / folder
    assert import_module(f"streammon.{folder}").__name__ == f"streammon.{folder}"


def test_files_stay_small() -> None:
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > MOST_FILE_LINES} == {}


def test_functions_and_classes_stay_small() -> None:
    too_long = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                most = MOST_CLASS_LINES if isinstance(node, ast.ClassDef) else MOST_FUNCTION_LINES
                count = (node.end_lineno or 0) - node.lineno + 1
                if count > most:
                    too_long.append(f"{name}:{node.lineno} {node.name}: {count} lines")
    assert too_long == []


def test_names_say_what_a_thing_is() -> None:
    vague = ("util", "helper", "manager", "common", "misc", "base_")
    assert [name_of(path) for path in FILES if any(word in path.stem for word in vague)] == []
    classes = ("Manager", "Handler", "Helper", "Base", "Mixin")

    def says_nothing(node: ast.AST) -> bool:
        if not isinstance(node, ast.ClassDef) or "logging.StreamHandler" in ast.unparse(node):
            return False  # the library's own word for it
        return re.match(r"Base(?!line)", node.name) is not None or node.name.endswith(classes)

    assert offences(says_nothing) == []


def test_every_module_says_what_it_is_for() -> None:
    assert [name for name, tree in trees() if not ast.get_docstring(tree)] == []


# --- what is not used ------------------------------------------------------------------------


def task_groups(tree: ast.Module) -> set[str]:
    """Names that are bound to a task group in this file, or annotated as one."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and "TaskGroup()" in ast.unparse(node.context_expr):
            found.add(ast.unparse(node.optional_vars) if node.optional_vars else "")
        if isinstance(node, ast.arg | ast.AnnAssign) and "TaskGroup" in ast.dump(node):
            found.add(node.arg if isinstance(node, ast.arg) else dotted(node.target))
    return found


def test_tasks_belong_to_a_group() -> None:
    bare = []
    for name, tree in trees():
        groups = task_groups(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner, method = dotted(node.func.value), node.func.attr
            grouped = owner in groups or (owner.startswith("self.") and owner.endswith("group"))
            if method == "ensure_future" or (method == "create_task" and not grouped):
                bare.append(f"{name}:{node.lineno} {owner}.{method}")
    assert bare == []


def test_queues_are_channels_with_a_stated_bound() -> None:
    unbounded = {"asyncio.Queue", "asyncio.LifoQueue", "asyncio.PriorityQueue", "queue.SimpleQueue"}

    def queue(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        called = dotted(node.func)
        bare = called == "queue.Queue" and not (node.args or node.keywords)
        return bare or called in unbounded

    assert offences(queue) == []


def test_everything_is_caught_only_at_the_borders() -> None:
    def catches_all(node: ast.AST) -> bool:
        if not isinstance(node, ast.ExceptHandler) or ast.unparse(node.body[-1]) == "raise":
            return False  # tidies up and lets it go on
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        return any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in kinds)

    assert offences(catches_all, allowed=BORDERS) == []
    assert [name for name in BORDERS if not (ROOT / name).exists()] == []


def test_only_the_config_reads_the_environment() -> None:
    def reads(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and dotted(node) in {
            "os.environ",
            "os.environb",
            "os.getenv",
        }

    assert offences(reads, allowed={"streammon/config.py": "it is what it is for"}) == []


@pytest.mark.parametrize(
    "banned",
    [
        "asyncio.get_event_loop",
        "asyncio.set_event_loop",
        "time.time",
        "os.system",
        "os.popen",
        "torch.load",
        "yaml.load",
    ],
)
def test_what_is_banned_is_not_called(banned: str) -> None:
    found = offences(lambda node: isinstance(node, ast.Call) and dotted(node.func) == banned)
    allowed = {
        "time.time": {"sinks/wire.py"},
        "torch.load": {"streammon/detectors/checkpoints.py"},  # see the test below
    }.get(banned, set())
    assert [place for place in found if place.rpartition(":")[0] not in allowed] == []


def test_torch_reads_foreign_files_with_its_allow_list_only() -> None:
    def trusting(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or dotted(node.func) != "torch.load":
            return False
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        return given.get("weights_only") != "True"

    assert offences(trusting) == []


def test_nothing_is_unpickled_or_given_to_a_shell() -> None:
    def dangerous(node: ast.AST) -> bool:
        if isinstance(node, ast.Import):
            return any(alias.name.split(".")[0] in {"pickle", "shelve"} for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            only_the_error = {alias.name for alias in node.names} == {"UnpicklingError"}
            return node.module in {"pickle", "shelve"} and not only_the_error
        return (
            isinstance(node, ast.keyword)
            and node.arg == "shell"
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        )

    assert offences(dangerous) == []


# --- adapters --------------------------------------------------------------------------------

DECLARED: dict[str, dict[str, str]] = PROJECT["project"]["entry-points"]
ADAPTERS = [(group, tag) for group, entries in DECLARED.items() for tag in entries]
each_adapter = pytest.mark.parametrize(("group", "tag"), ADAPTERS)


def test_the_groups_are_those_of_the_config() -> None:
    assert set(DECLARED) == set(GROUPS.values())


@each_adapter
def test_an_adapter_loads_is_tagged_and_builds(group: str, tag: str) -> None:
    assert tag in known(group), "the installed entry points are old: make setup"
    model = adapter_class(group, tag)
    assert issubclass(model, AdapterConfig)
    assert callable(getattr(model, "build", None))
    assert model.__doc__, "people read this in the JSON Schema"


@each_adapter
def test_an_adapter_has_a_row_in_the_docs(group: str, tag: str) -> None:
    rows = (ROOT / "docs" / "adapters.md").read_text().splitlines()
    section = group.removeprefix("streammon.")
    assert [row for row in rows if row.startswith(f"| `{tag}` ")], f"no row for {section}: {tag}"


@each_adapter
def test_an_adapter_has_a_test_of_its_own(group: str, tag: str) -> None:
    module = DECLARED[group][tag].partition(":")[0]
    words = {tag, module.rpartition(".")[2]}
    tests = [path.stem for path in (ROOT / "tests").rglob("test_*.py")]
    assert [stem for stem in tests if any(word in stem for word in words)]


@each_adapter
def test_a_secret_setting_is_a_secret_type(group: str, tag: str) -> None:
    from streammon.config import _is_secret

    for name, field in adapter_class(group, tag).model_fields.items():
        if _is_secret(name) and field.annotation is not bool:  # `allow_private: true`
            assert "SecretStr" in str(field.annotation), f"{tag}.{name} would be printed"


# --- the wheel -----------------------------------------------------------------------------


def test_every_data_file_is_packed() -> None:
    packed = [
        f"{package.replace('.', '/')}/{pattern}"
        for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
    ]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "streammon", "sinks", "pipelines"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\0")
    if not any(listed):
        pytest.skip("not a git checkout")
    data = [name for name in listed if name and not name.endswith(".py")]
    inside = [name if name.startswith("streammon/") else f"streammon/{name}" for name in data]
    links = {"streammon/sinks", "streammon/pipelines"}
    forgotten = [
        name
        for name in inside
        if name not in links and not any(PurePosixPath(name).match(pattern) for pattern in packed)
    ]
    assert forgotten == []


# --- start-up --------------------------------------------------------------------------------


def imported_by(statement: str) -> set[str]:
    """Top-level packages in `sys.modules` after it, in a fresh process."""
    script = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50
    )
    return set(done.stdout.split())


def test_the_command_line_starts_without_heavy_libraries() -> None:
    assert imported_by("import streammon.cli") & HEAVY == set()


def test_reading_a_config_imports_no_model_runtime() -> None:
    """A config can be checked, and the schema printed, without waiting for torch."""
    everything = "import streammon.config; streammon.config.json_schema()"
    late = {"torch", "numba", "librosa", "sklearn", "scipy", "aiortc", "faust", "confluent_kafka"}
    assert imported_by(everything) & late == set()


def test_the_core_needs_numpy_and_nothing_else() -> None:
    parts = ("types", "ports", "errors", "clock")
    loaded = imported_by("; ".join(f"import streammon.core.{part}" for part in parts))
    assert loaded & (HEAVY - {"numpy"}) == set()
    assert "pydantic" not in loaded
