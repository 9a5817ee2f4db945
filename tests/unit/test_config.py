"""A config is checked whole; each error names the field, the value and what is allowed."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from streammon.config import (
    MonitorConfig,
    is_loopback,
    json_schema,
    load_config,
    parse_config,
    read_yaml,
)
from streammon.core.errors import ConfigError
from tests.packages import installed

TOYS = """
    from typing import Literal
    from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
    from streammon.registry import AdapterConfig

    class Login(BaseModel):
        model_config = ConfigDict(extra="forbid")
        user: str = ""
        phrase: SecretStr | None = None

    class CamConfig(AdapterConfig):
        type: Literal["toy_cam"] = "toy_cam"
        url: str = Field("rtsp://127.0.0.1/", pattern="^rtsp:")
        fps: int = Field(5, ge=1, le=60)
        token: SecretStr | None = Field(None, min_length=8)
        login: Login = Login()

        @field_validator("url")
        @classmethod
        def short(cls, url: str) -> str:
            if len(url) > 80:
                raise ValueError(f"{url} is too long")
            return url

    class MicConfig(AdapterConfig):
        type: Literal["toy_mic"] = "toy_mic"
        rate_hz: Literal[16000, 48000] = 16000

    class BellConfig(AdapterConfig):
        type: Literal["toy_bell"] = "toy_bell"
        password: SecretStr | None = None
"""
ENTRIES = {
    "streammon.sources": {
        "toy_cam": "streammon_toy_adapters:CamConfig",
        "toy_mic": "streammon_toy_adapters:MicConfig",
    },
    "streammon.sinks": {"toy_bell": "streammon_toy_adapters:BellConfig"},
}


@pytest.fixture(autouse=True, scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("toys")
    with installed(folder, "streammon_toy_adapters", source=TOYS, entry_points=ENTRIES):
        yield


def problems(document: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(document)
    assert not isinstance(caught.value.__cause__, ValidationError), "its text repeats the input"
    return str(caught.value).splitlines()


def cam(**settings: object) -> dict[str, Any]:
    return {"sources": {"door": {"type": "toy_cam", **settings}}}


# --- what is accepted ------------------------------------------------------------------------


def test_an_empty_document_is_a_whole_monitor() -> None:
    config = parse_config({})
    assert config.server.host == "127.0.0.1"
    assert config.rules["default"].model_dump()["type"] == "cusum"


def test_an_adapter_is_of_the_type_it_is_named_after() -> None:
    config = parse_config({"sinks": {"toy_bell": None, "spare": {"type": "toy_bell"}}})
    assert [type(sink).__name__ for sink in config.sinks.values()] == ["BellConfig"] * 2


def test_adapters_of_two_types_keep_their_own_settings() -> None:
    config = parse_config(
        {"sources": {"door": {"type": "toy_cam", "fps": 9}, "hall": {"type": "toy_mic"}}}
    )
    assert config.sources["door"].model_dump()["fps"] == 9
    assert config.sources["hall"].model_dump()["rate_hz"] == 16000


def test_nothing_can_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_config({}).drain_s = 1.0  # type: ignore[misc]


# --- what is refused, and in which words -----------------------------------------------------


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (
            cam(fps=0),
            "sources.door.fps: Input should be greater than or equal to 1 (given: 0)",
        ),
        (
            cam(fpz=3),
            "sources.door.fpz: no such setting (given: ***), perhaps 'fps'; "
            "allowed: fps, login, token, type, url",
        ),
        (
            {"sources": {"a": {"type": "toy_mic", "rate": 8000}}},
            "sources.a.rate: no such setting (given: 8000), perhaps 'rate_hz'; "
            "allowed: rate_hz, type",
        ),
        (
            cam(login={"usr": "x"}),
            "sources.door.login.usr: no such setting (given: ***), perhaps 'user'; "
            "allowed: phrase, user",
        ),
        (
            {"outbox": {"durable": "maybe"}},
            "outbox.durable: Input should be 'process' or 'power' (given: 'maybe')",
        ),
        (
            {"overlay": {"with": 3}},
            "overlay.with: no such setting (given: 3), perhaps 'width'; "
            "allowed: fps, jpeg_quality, width",
        ),
        (
            {"sources": {"a": {"type": "toy_mic", "rate_hz": 8000}}},
            "sources.a.rate_hz: Input should be 16000 or 48000 (given: 8000)",
        ),
        (
            {"drain_s": -1},
            "drain_s: Input should be greater than 0 (given: -1)",
        ),
        (
            {"alerts": {"rule": "strict"}},
            "config: alerts names the rule 'strict'; defined: ['default']",
        ),
        (
            {"server": {"host": "0.0.0.0"}},
            "server: host 0.0.0.0 can be reached from other machines: set `token` "
            "(for example token: ${STREAMMON_TOKEN}) or use 127.0.0.1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_names_the_field_the_value_and_what_is_allowed(
    document: dict[str, Any], line: str
) -> None:
    assert problems(document) == [line]


def test_the_place_is_that_in_the_file_also_beside_other_types() -> None:
    sources = {"door": {"type": "toy_cam", "fps": 99}, "hall": {"type": "toy_mic", "rate_hz": 1}}
    assert problems({"sources": sources}) == [
        "sources.door.fps: Input should be less than or equal to 60 (given: 99)",
        "sources.hall.rate_hz: Input should be 16000 or 48000 (given: 1)",
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"sources": {"door": {"type": "rtps"}}},
            r"^sources\.door\.type: 'rtps' is not known; allowed: .*av_url.*toy_cam.*toy_mic",
        ),
        (
            {"sources": {"door": {"url": "x"}}},
            r"^sources\.door: expected `type:`, one of: .*toy_cam",
        ),
        ({"sources": {"door": 5}}, r"^sources\.door: expected `type:`"),
        ({"sources": [1, 2]}, r"^sources: expected a mapping of names, got list$"),
        ({"sinks": "kafka"}, r"^sinks: expected a mapping of names, got str$"),
        ({"sinks": {"siren": None}}, r"^sinks\.siren\.type: 'siren' is not known; allowed: "),
        ({"sinks": {"a b": {"type": "toy_bell"}}}, r"^sinks\.a b: a name has .* \(given: 'a b'\)$"),
        ({"serve": {}}, r"^serve: no such setting .*; allowed: alerts, .*, sources$"),
    ],
)
def test_a_name_that_leads_nowhere_lists_those_that_do(
    document: dict[str, Any], expected: str
) -> None:
    (line,) = problems(document)
    assert re.search(expected, line), line


def test_all_problems_are_told_at_once() -> None:
    document = {**cam(fps=0, url="http://x"), "drain_s": 0, "overlay": {"fps": 31}}
    assert len(problems(document)) == 4


def test_a_type_that_is_not_known_hides_no_other_problem() -> None:
    document = {
        "sources": {"a": {"type": "toy_cma"}, "b": {}, "c": {"type": "toy_mic", "rate_hz": 1}},
        "rules": {"strict": {"type": "cusmu"}},
        "alerts": {"rule": "strict"},
        "drain_s": 0,
    }
    places = [line.partition(":")[0] for line in problems(document)]
    assert places == [
        "sources.a.type",
        "sources.b",
        "rules.strict.type",
        "sources.c.rate_hz",
        "drain_s",
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = problems({"name": "-" * 500})
    assert len(line) < 200


# --- secrets ---------------------------------------------------------------------------------

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "document",
    [
        cam(url=f"rtmp://me:{SECRET}@cam/1"),
        cam(url=f"rtsp://me:{SECRET}@cam/{'x' * 99}"),
        cam(url=f"http://cam/1?token={SECRET}"),
        cam(url=f"rtmp://me:{SECRET} with space@cam/1"),
        cam(token=SECRET, fps=0),
        cam(token=[SECRET]),
        cam(token={"value": SECRET}),
        cam(tokn=SECRET),
        cam(pasword=SECRET),
        cam(login={"phras": f"{SECRET}", "password": SECRET}),
        {"sources": {"a": {"type": "toy_mic", "api_key": SECRET}}},
        {"sinks": {"toy_bell": {"password": 5, "pasword": SECRET}}},
        {"sinks": [{"toy_bell": {"password": SECRET}}]},
        {"sinks": f"kafka://me:{SECRET}@broker"},
        {"server": {"token": [SECRET]}},
        {"server": {"tokn": SECRET}},
        {"name": f"rtsp://me:{SECRET}@cam"},
    ],
)
def test_no_message_repeats_a_secret(document: dict[str, Any]) -> None:
    text = "\n".join(problems(document))
    assert text
    assert "hunter2" not in text


def test_what_came_from_the_environment_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("name: ${NAME_OF_IT}\ndrain_s: ${DRAIN}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={"NAME_OF_IT": f"!{SECRET}", "DRAIN": "soon"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all(line.endswith("(given: a value from the environment)") for line in lines)
    assert "hunter2" not in str(caught.value)


def test_broken_yaml_is_told_by_its_place_not_its_text(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"name: x\nserver:\n  token: [{SECRET}\n  port: 3\n")
    with pytest.raises(ConfigError, match=r"not valid YAML: .* \(line \d, column \d+\)") as caught:
        load_config(path)
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_not_shown_by_a_checked_config_either() -> None:
    config = parse_config(cam(token=SECRET))
    assert "hunter2" not in repr(config) + config.model_dump_json()


# --- files and variables ---------------------------------------------------------------------


def test_variables_are_filled_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        "name: ${SITE}-wall\n"
        "sources: {door: {type: toy_cam, url: 'rtsp://${HOST:-127.0.0.1}/1', fps: '${FPS}'}}\n"
        "server: {token: '${TOKEN:-}'}\n"
    )
    config = load_config(path, environment={"SITE": "north", "FPS": "7"})
    assert config.name == "north-wall"
    assert config.sources["door"].model_dump(include={"url", "fps"}) == {
        "url": "rtsp://127.0.0.1/1",
        "fps": 7,
    }


def test_a_missing_variable_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("sources: {door: {type: toy_cam, url: '${CAM_URL}'}}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={})
    assert str(caught.value) == (
        "sources.door.url (line 1): the environment variable CAM_URL is not set"
    )


def test_defaults_give_way_to_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("name: ${A}${B}\n")
    filled = read_yaml(path, environment={"A": "1"}, defaults={"A": "8", "B": "9"})
    assert filled == {"name": "19"}


@given(st.recursive(st.text("ab${}:-_ ") | st.integers(), st.lists, max_leaves=5))
def test_what_names_no_variable_is_left_alone(value: Any) -> None:
    assume(re.search(r"\$\{[A-Za-z_]", json.dumps(value)) is None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "monitor.yaml")
        path.write_text(yaml.safe_dump({"a": value}))
        assert read_yaml(path, environment={"a": "x", "b": "y"}) == {"a": value}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"- a\n- b\n", r"expected a mapping at the top .*, got list"),
        (b"", r"expected a mapping at the top .*, got nothing"),
        (b"\xff\xfe\x00", "not valid YAML: it is no text in UTF-8"),
        (b"a: \x07\n", "not valid YAML: it holds characters that no text has"),
        (b"a: 1\nb: {c: 2, c: 3}\n", "b.c: given twice, in lines 2 and 2"),
        (b"a: !!python/object/apply:os.system ['true']\n", "not valid YAML: could not determine"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        load_config(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


# --- the rest --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("127.example.org", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_off_loopback_a_token_is_enough() -> None:
    server = {"host": "192.0.2.7", "token": SECRET}
    assert parse_config({"server": server}).server.token is not None
    assert not parse_config({"server": {"host": "192.0.2.7", "enabled": False}}).server.enabled


def test_the_schema_describes_what_is_accepted() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = {"name": "x", "sources": {"door": {"type": "toy_cam", "fps": 3}}}
    assert isinstance(parse_config(good), MonitorConfig)
    assert validator.is_valid(good)
    assert not validator.is_valid({"sources": {"door": {"type": "toy_cam", "fps": 0}}})
    assert not validator.is_valid({"sources": {"door": {"type": "toy_cam", "fpz": 1}}})
