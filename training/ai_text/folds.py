"""Splits that share no domain, no source of that domain and no generator with training.

A fold names domains and generators. What is tested: people's texts of its domains, and machine
texts of its domains by its generators. What is trained on: everything else but texts of those
domains and texts by those generators. Every text of people is tested exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.ai_text.texts import Row


@dataclass(frozen=True, slots=True)
class Fold:
    name: str
    domains: tuple[str, ...]
    """Names of domains, or beginnings of names that end in `*`."""
    generators: tuple[str, ...]

    def holds_domain(self, domain: str) -> bool:
        return any(
            domain.startswith(name[:-1]) if name.endswith("*") else domain == name
            for name in self.domains
        )

    def tests(self, row: Row) -> bool:
        return self.holds_domain(row.domain) and (
            not row.machine or row.generator in self.generators
        )

    def trains(self, row: Row) -> bool:
        return not self.holds_domain(row.domain) and not (
            row.machine and row.generator in self.generators
        )


FOLDS: Sequence[Fold] = (
    Fold("persona chat, orders", ("persona-chat", "tm4-*"), ("synthetic-persona-chat-llm",)),
    Fold("2022 assistant", ("hh-chat",), ("anthropic-lm-2022",)),
    Fold(
        "gpt-3.5: bot dialogue, answers; topical chat",
        ("botbots-*", "user-query", "topical-chat"),
        ("gpt-3.5-turbo",),
    ),
    Fold("gpt-4: role play; Ubuntu IRC", ("roleplay", "ubuntu-irc"), ("gpt-4",)),
    Fold(
        "gpt-4o: half of the topics",
        ("l2r-A*", "l2r-B*", "l2r-C*", "l2r-E*", "l2r-F*"),
        ("gpt-4o",),
    ),
    Fold(
        "llama-3-70b: the other topics",
        ("l2r-G*", "l2r-L*", "l2r-M*", "l2r-N*", "l2r-R*"),
        ("llama-3-70b",),
    ),
    Fold(
        "base models: news, wiki, medicine",
        ("fdg-*",),
        ("davinci", "gpt-4", "gpt-j-6B", "gpt-neox-20b", "opt-2.7b"),
    ),
)


def chosen_folds(rows: Sequence[Row], folds: Sequence[Fold] = FOLDS) -> list[Fold]:
    """The folds that have something to test and both classes to train on."""
    return [
        fold
        for fold in folds
        if any(fold.tests(row) for row in rows)
        and {row.machine for row in rows if fold.trains(row)} == {True, False}
    ]
