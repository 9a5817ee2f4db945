"""Which models are in a device's memory, and when one gives way to another. Pure.

Models that can be unloaded share a budget. While the windows of loaded models are due, those come
first; the least recently used model gives way when nothing is due for the loaded ones, or when a
window of a model that is not loaded would come too late. After such a switch the models stay for
`KEPT_TIMES` as long as loading took, so that however many want the device, loading takes at
most one part in `KEPT_TIMES + 1` of the time in which there is something to score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from streammon.scheduler.batching import NO_SWITCH, Due, Switch

KEPT_TIMES = 4
LOAD_GAIN = 0.5
"""How much the newest loading time counts against those before it."""
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
        """Until then, no model with windows due gives way."""

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
    ) -> Due | None:
        """Which of the groups that are due goes first.

        `expected_ns` says how long one window of a detector takes, loading included.
        """
        warm = min((each for each in due if self._has_room(each.detector)), default=None)
        cold = min((each for each in due if not self._has_room(each.detector)), default=None)
        if only_loaded:
            return min((each for each in due if not self.is_cold(each.detector)), default=None)
        if cold is None or warm is None:
            return warm or cold
        late = cold.deadline_ns - expected_ns(cold.detector) <= now_ns
        urgent = late and cold.deadline_ns < warm.deadline_ns
        return cold if urgent and now_ns >= self._settled_ns else warm

    def use(self, name: str, now_ns: int) -> Switch:
        """Note that a batch of this detector goes to the device; returns what to do before."""
        model = self.models.get(name)
        if model is None:
            return NO_SWITCH
        self._uses += 1
        model.used = self._uses
        leaving = self._victims(name)
        for other in leaving:
            self.models[other].resident = False
        if model.resident:
            model.hits += 1
            return Switch(unload=leaving) if leaving else NO_SWITCH
        model.resident = True
        self._settle(now_ns, model.load_s)
        return Switch(load=name, unload=leaving)

    def switched(
        self, switch: Switch, sizes: Mapping[str, int | None], *, took_s: float, now_ns: int
    ) -> None:
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
        if model.loads:
            self._settle(now_ns - round(took_s * 1e9), took_s)
        model.loads += 1
        model.loading_s += took_s

    def lose(self, name: str) -> None:
        """It hangs: what it takes will not come back."""
        model = self.models.pop(name, None)
        if model is not None and model.resident:
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

    def _settle(self, now_ns: int, load_s: float) -> None:
        until_ns = now_ns + round((1 + KEPT_TIMES) * load_s * 1e9)
        self._settled_ns = max(self._settled_ns, until_ns)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / MEGABYTE:.1f} MB"
