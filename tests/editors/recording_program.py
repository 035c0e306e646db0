"""Stands in for ``pyramid-notebook``: writes down how it was called, and does what the test has laid ready.

A copy of it is the program itself, with its folder beside it, see :mod:`tests.editors.recorder`.
"""

import fcntl
import json
import os
import sys
from pathlib import Path


def main(folder: Path) -> int:
    command = sys.argv[1]
    with (folder / "calls").open("a+") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.seek(0)
        before = [json.loads(line)[0] for line in log]
        log.write(json.dumps(sys.argv[1:]) + "\n")
    nth = before.count(command) + 1
    gate = folder / f"{command}.{nth}.gate"
    if gate.exists():
        with gate.open() as opened:
            opened.read()
    answer = {"out": "", "err": "", "code": 0, "write": {}}
    for name in (command, f"{command}.{nth}"):
        if (folder / f"{name}.json").exists():
            answer |= json.loads((folder / f"{name}.json").read_text())
    for path, text in answer["write"].items():
        Path(path).write_text(text)
    sys.stdout.write(answer["out"])
    sys.stderr.write(answer["err"])
    with (folder / "ended").open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    return answer["code"]


if __name__ == "__main__":
    sys.exit(main(Path(os.path.realpath(__file__)).parent / "recorded"))
