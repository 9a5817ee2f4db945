"""Which models are in a device's memory, and when one gives way to another. Pure.

Models that can be unloaded share a budget. While windows of loaded models are due, those come
first; the least recently used model gives way when nothing is due for the loaded ones, or when a
window of a model that is not loaded would come too late. After a load all stay for `KEPT_TIMES` as
long as it took, so that where all are wanted all the time, loading takes at most one part in
`KEPT_TIMES + 1` of the device's time. Only a model for which hardly a window would come until it
could be back gives way sooner: such loads are no part of that bound, and a device that is
hardly used may spend more of its time on them than on scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from streammon.scheduler.batching import NO_SWITCH, Due, Switch

KEPT_TIMES = 4
LOAD_GAIN = 0.5
"""How much the newest loading time counts against those before it."""
FEW_WINDOWS = 1.0
"""A model that is expected to miss fewer windows while it is away is not wanted now."""
MEGABYTE = 2**20


@dataclass(slots=True)
class Model:
    """What is known of one detector that can be unloaded."""

    size_bytes: int | None = None
    """As measured when it was last loaded; `None` before."""
    load_s: float = 0.0
    """What loading it usually takes, and making room for it."""
    resident: bool = False
    used: int = 0
    """Grows with each use: the smallest was used the longest ago."""
    hits: int = 0
    """Batches for which it was loaded already."""
    loads: int = 0
    evictions: int = 0
    loading_s: float = 0.0
    """All its loading so far."""


class Residency:
    """The models of one device. Detectors that it was never told the size of always stay."""

    def __init__(self, budget_bytes: int | None) -> None:
        self.models: dict[str, Model] = {}
        self._budget_bytes = budget_bytes
        self._lost_bytes = 0
        self._uses = 0
        self._settled_ns = 0
        """Until then, no model gives way that is wanted."""
        self.rates_hz: Mapping[str, float] = {}
        """Windows per second that are planned for each."""

    @property
    def resident_bytes(self) -> int:
        """What the loaded models take, and those that hang and cannot be unloaded any more."""
        loaded = sum(model.size_bytes or 0 for model in self.models.values() if model.resident)
        return loaded + self._lost_bytes

    def is_cold(self, name: str) -> bool:
        """Whether it must be loaded before it can score."""
        model = self.models.get(name)
        return model is not None and not model.resident

    def load_s(self, name: str) -> float:
        """What loading it is expected to take now; 0 while it is loaded."""
        return self.models[name].load_s if self.is_cold(name) else 0.0

    def reload_s(self) -> float:
        """What loading takes until each has had its turn; 0 where all have room at once."""
        models = self.models.values()
        if self._fits(sum(model.size_bytes or 0 for model in models)):
            return 0.0
        return sum(model.load_s for model in models)

    def first(self, name: str) -> Switch:
        """What to do to load a detector whose size is not known: it may need all there is."""
        if self._budget_bytes is None:
            return Switch(load=name)
        return Switch(load=name, unload=tuple(self._resident(but=name)))

    def choose(
        self,
        due: Sequence[Due],
        now_ns: int,
        *,
        expected_ns: Callable[[str], int],
        only_loaded: bool = False,
        at_once: bool = False,
    ) -> Due | None:
        """Which of the groups that are due goes first; `None` when all have to wait.

        `expected_ns` says how long one window of a detector takes, loading included. With
        `only_loaded` nothing gives way, with `at_once` nothing stays for its time.
        """
        if only_loaded:
            return min((each for each in due if not self.is_cold(each.detector)), default=None)
        warm = min((each for each in due if self._has_room(each.detector)), default=None)
        cold = min((each for each in due if not self._has_room(each.detector)), default=None)
        if warm is None:
            ready = [each for each in due if at_once or self.ready_ns(each.detector) <= now_ns]
            return min(ready, default=None)
        if cold is None or now_ns < self._settled_ns:
            return warm
        late = cold.deadline_ns - expected_ns(cold.detector) <= now_ns
        return cold if late and cold.deadline_ns < warm.deadline_ns else warm

    def ready_ns(self, name: str) -> int:
        """From when on it may be loaded, while no loaded model has windows due; 0 for at once."""
        if self._has_room(name):
            return 0
        return 0 if self._hardly_wanted(name, self._victims(name)) else self._settled_ns

    def use(self, name: str, now_ns: int) -> Switch:
        """Note that a batch of this detector goes to the device; returns what to do before."""
        model = self.models.get(name)
        if model is None:
            return NO_SWITCH
        self._uses += 1
        model.used = self._uses
        leaving = self._victims(name)
        stays = not model.resident and not (leaving and self._hardly_wanted(name, leaving))
        if stays:
            until_ns = now_ns + round((1 + KEPT_TIMES) * model.load_s * 1e9)
            self._settled_ns = max(self._settled_ns, until_ns)
        for other in leaving:
            self.models[other].resident = False
        if model.resident:
            model.hits += 1
            return Switch(unload=leaving) if leaving else NO_SWITCH
        model.resident = True
        return Switch(load=name, unload=leaving)

    def switched(self, switch: Switch, sizes: Mapping[str, int | None], *, took_s: float) -> None:
        """A switch was made: `sizes` has the bytes of what is loaded now, `None` for what is not.

        A model of a switch that is not in `sizes` is as it was before.
        """
        for name, size in sizes.items():
            model = self.models.setdefault(name, Model())
            model.evictions += size is None and name in switch.unload
            model.resident = size is not None
            model.size_bytes = model.size_bytes if size is None else size
        loaded = switch.load
        if loaded is None or sizes.get(loaded) is None:
            return
        model = self.models[loaded]
        model.load_s += (LOAD_GAIN if model.loads else 1.0) * (took_s - model.load_s)
        model.loads += 1
        model.loading_s += took_s

    def lose(self, name: str) -> None:
        """It hangs, or cannot be unloaded: what it takes will not come back."""
        model = self.models.pop(name, None)
        if model is not None:
            self._lost_bytes += model.size_bytes or 0

    def too_large(self, name: str) -> str:
        """Why this model can never be loaded, naming both sizes; empty when it can."""
        model = self.models.get(name)
        if model is None or self._budget_bytes is None or self._fits(model.size_bytes or 0):
            return ""
        needs = f"it takes {_megabytes(model.size_bytes or 0)} of the device's memory and "
        allows = f"scheduler.memory_mb allows {_megabytes(self._budget_bytes)}"
        lost = f", of which {_megabytes(self._lost_bytes)} are held by a detector that hangs"
        do = ": raise it, or use a smaller model"
        return needs + allows + (lost if self._lost_bytes else "") + do

    def _has_room(self, name: str) -> bool:
        """Whether it could score now without another giving way."""
        model = self.models.get(name)
        if model is None or model.resident:
            return True
        return model.size_bytes is not None and self._fits(
            self.resident_bytes - self._lost_bytes + model.size_bytes
        )

    def _hardly_wanted(self, name: str, leaving: Sequence[str]) -> bool:
        """Whether these would miss hardly a window while they make room for that one."""
        away_s = sum(self.models[each].load_s for each in (name, *leaving))
        return sum(self.rates_hz.get(each, 0.0) for each in leaving) * away_s < FEW_WINDOWS

    def _victims(self, name: str) -> tuple[str, ...]:
        """The models that have to leave so that this one is loaded, and all is in the budget."""
        model = self.models[name]
        taken = self.resident_bytes - self._lost_bytes
        taken += 0 if model.resident else model.size_bytes or 0
        leaving: list[str] = []
        for other in self._resident(but=name):
            if self._fits(taken):
                break
            taken -= self.models[other].size_bytes or 0
            leaving.append(other)
        return tuple(leaving)

    def _resident(self, *, but: str) -> Iterable[str]:
        """Loaded models, the one used the longest ago first."""
        loaded = (name for name, model in self.models.items() if model.resident and name != but)
        return sorted(loaded, key=lambda name: self.models[name].used)

    def _fits(self, size_bytes: int) -> bool:
        return self._budget_bytes is None or size_bytes + self._lost_bytes <= self._budget_bytes


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / MEGABYTE:.1f} MB"
