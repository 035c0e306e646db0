"""The page's end makes of messages what the kernel's end makes of them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from hypothesis import given

from pyramid_notebook.channel.display import STATIC
from pyramid_notebook.channel.protocol import Frame, decode, encode, pack, unpack
from tests.running import chromium

from .test_protocol import VALUES

#: Reads a message, and writes what it read as another.
ECHO = """
const [module, message, done] = arguments;
import(module).then(({ decode, unpack, pack, encode }) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { header, payload } = decode("text" in message ? message.text : bytes(message.bytes).buffer);
  const { packed, places, buffers } = pack(unpack(header.value, header.buffers, payload));
  const answer = encode({ type: "result", value: packed, ...(places.length && { buffers: places }) }, buffers);
  if (typeof answer === "string") return done({ text: answer });
  done({ bytes: btoa(Array.from(answer, (byte) => String.fromCharCode(byte)).join("")) });
}).catch((error) => done({ error: String(error) }));
"""


def test_every_value_comes_back_from_the_page_as_it_went() -> None:
    module = "data:text/javascript;base64," + b64encode((STATIC / "frames.js").read_bytes()).decode()
    with chromium() as browser:
        browser.get("about:blank")

        @given(VALUES)
        def comes_back(value: Any) -> None:
            packed = pack(value)
            message = encode(Frame({"type": "result", **packed.fields("value")}, packed.payload))
            sent = {"text": message} if isinstance(message, str) else {"bytes": b64encode(message).decode()}
            answer = browser.execute_async_script(ECHO, module, sent)
            assert "error" not in answer, answer
            frame = decode(answer["text"] if "text" in answer else b64decode(answer["bytes"]))
            assert unpack(frame.header["value"], frame.header.get("buffers"), frame.payload) == value

        comes_back()
