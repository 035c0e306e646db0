"""An agent: asks an MCP server over its standard input and output, and prints what each tool answered as JSON.

It runs as a program of its own, with the packages of ``requirements.txt``: ``agent.py CONFIGURATION``. Each line of its
standard input is a tool and its arguments, ``["list_files", {}]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main(server: dict[str, Any]) -> None:
    parameters = StdioServerParameters(command=server["command"], args=server["args"], env=dict(os.environ))
    async with stdio_client(parameters) as ends, ClientSession(*ends) as session:
        await session.initialize()
        while line := await asyncio.to_thread(sys.stdin.readline):
            tool, arguments = json.loads(line)
            answer = await session.call_tool(tool, arguments)
            text = "\n".join(getattr(part, "text", "") for part in answer.content)
            print(json.dumps([bool(answer.is_error), text]), flush=True)  # noqa: T201


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())["mcpServers"]["site"]))
