"""How long a merge takes, and what becomes of outputs: ``python -m benchmarks.merge [--quick] [--json]``.

The table counts, for random changes of each kind that an editor without ids makes: merges that raise; cells that the
editor kept and whose output is lost; outputs that stand under foreign code.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.merge import merge, plan
from tests.sync.random_edits import KINDS, Writer, without_ids

MIXES = {
    "edits": ("edit",),
    "insertions and deletions": ("insert", "delete"),
    "moves": ("move",),
    "moves and edits": ("move", "edit", "edit"),
    "everything": KINDS,
}
SIZES = (1, 2, 3, 5, 8, 12)


def notebook(length: int) -> list[Cell]:
    text = "value_{0} = compute({0})\nfor item in range({0}):\n    print(item, value_{0})\n# note {0}"
    return [Cell(CellType.CODE, text.format(number), f"id-{number}") for number in range(length)]


def median_ms(length: int, rounds: int, *, has_base: bool) -> float:
    """Return the time of a merge with one edit in the tab and three in the editor, and of its plan."""
    base = notebook(length)
    live, mine = notebook(length), without_ids(notebook(length))
    live[length // 3] = Cell(CellType.CODE, live[length // 3].source + "\ntyped()", live[length // 3].id)
    for place in (length // 5, length // 2, length - 2):
        mine[place] = Cell(CellType.CODE, mine[place].source.replace("note", "remark"))
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        plan(live, merge(base if has_base else None, mine, live).cells)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def outcomes(kinds: tuple[str, ...], rounds: int) -> dict[str, int]:
    """Return what became of the outputs of random notebooks."""
    found = dict.fromkeys(("merges", "raised", "outputs", "lost", "foreign"), 0)
    for seed in range(rounds):
        writer = Writer(seed)
        live = writer.notebook(writer.random.choice(SIZES))
        changed = writer.changed(live, kinds, writer.random.randint(1, 5), "new")
        found["merges"] += 1
        try:
            merged = merge(None, without_ids(changed), live)
        except Exception:
            found["raised"] += 1
            continue
        was = {cell.id: cell.type for cell in live}
        for place, result in enumerate(merged.cells):
            name, cell = changed[place].id, changed[place]
            had = name in was and cell.type is was[name] is CellType.CODE
            shown = live[result.live].id if result.live is not None and result.keeps_outputs else None
            found["outputs"] += had
            found["lost"] += had and shown is None
            found["foreign"] += shown is not None and shown != name
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = 100 if options.quick else 1000
    times = {
        f"{'three' if has_base else 'two'}_way_{length}_ms": round(
            median_ms(length, max(11, rounds // length), has_base=has_base), 3
        )
        for length in (5, 500, 2000)
        for has_base in (False, True)
    }
    tables = {mix: outcomes(kinds, rounds) for mix, kinds in MIXES.items()}
    if options.json:
        print(json.dumps({**times, "outcomes": tables}))
        return
    for name, value in times.items():
        print(f"{name:22} {value:8.3f}")
    for mix, table in tables.items():
        print(f"{mix:26}", *(f"{count:6} {name}" for name, count in table.items()))


if __name__ == "__main__":
    main()
