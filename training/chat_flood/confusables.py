"""Makes `streammon/detectors/confusables.tsv`: letters that look like a Latin letter or digit.

python -m venv /tmp/table && /tmp/table/bin/pip install confusable_homoglyphs==3.3.1
/tmp/table/bin/python -m training.chat_flood.confusables streammon/detectors/confusables.tsv
"""

from __future__ import annotations

import json
import string
import sys
import unicodedata
from pathlib import Path

HEADER = """\
# Letters that look like the Latin letter or digit before them; one target a line.
# Letters that Unicode itself folds to Latin (full width, mathematical, ...) are left out.
# Made by training/chat_flood/confusables.py from the data of confusable_homoglyphs 3.3.1
# (MIT, (c) 2016-2018 Victor Felder, 2024 Elena Grandi), which come from Unicode's confusables.txt
# (UTS 39; (c) Unicode, Inc., Unicode License V3, https://www.unicode.org/license.txt).
"""
TARGETS = string.ascii_lowercase + string.ascii_uppercase + string.digits


def main() -> None:
    import confusable_homoglyphs

    source = Path(confusable_homoglyphs.__file__).parent / "confusables.json"
    alike = json.loads(source.read_text(encoding="utf-8"))
    taken: dict[str, str] = {}
    for target in TARGETS:
        for other in alike.get(target, ()):
            letter = other["c"]
            folded = unicodedata.normalize("NFKD", letter)
            if len(letter) == 1 and not letter.isascii() and not folded.isascii():
                taken.setdefault(letter, target.lower())
    rows: dict[str, list[str]] = {}
    for letter, target in sorted(taken.items()):
        rows.setdefault(target, []).append(letter)
    lines = [f"{target}\t{''.join(letters)}\n" for target, letters in sorted(rows.items())]
    Path(sys.argv[1]).write_text(HEADER + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
