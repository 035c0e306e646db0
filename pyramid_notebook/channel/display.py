"""The output by which a cell connects the page that shows it; it holds no secret, and no code of the user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

STATIC = Path(__file__).with_name("static")
_SCRIPT = """<script>
(() => {{
  const own = {about};
  const data = document.getElementById("jupyter-config-data");
  const base = data ? JSON.parse(data.textContent).baseUrl : document.body.dataset.baseUrl;
  if (!base) return;
  import(new URL(base + "channel/static/" + own.version + "/channel.js", location.href).href)
    .then((module) => module.connect(base, own.kernel, own.channel))
    .catch((error) => console.error("The channel of this notebook cannot be loaded:", error));
}})();
</script>"""


@dataclass(frozen=True, slots=True)
class Script:
    """Connects a page to a channel.

    Attributes:
        kernel_id: of the kernel.
        channel: its name.
    """

    kernel_id: str
    channel: str

    def bundle(self) -> dict[str, str]:
        """Return it as MIME types (Jupyter messaging, "display_data")."""
        about = json.dumps({"kernel": self.kernel_id, "channel": self.channel, "version": version()})
        about = about.replace("<", "\\u003c")  # nothing ends the script early
        return {"text/html": _SCRIPT.format(about=about), "text/plain": f"<channel {self.channel!r}>"}

    def show(self) -> None:
        """Display it; where there is no IPython, nothing happens."""
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        shell: Any = get_ipython()
        if shell is not None:
            display(self.bundle(), raw=True)  # type: ignore[no-untyped-call]


@lru_cache
def version() -> str:
    """Return what names the JavaScript just as it is, so that browsers may keep it."""
    return sha256(b"".join(path.read_bytes() for path in sorted(STATIC.glob("*.js")))).hexdigest()[:16]
