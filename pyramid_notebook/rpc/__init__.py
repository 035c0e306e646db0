"""Kernels over the web: a JSON-RPC 2.0 API at ``rpc``, inside the user server; see ``docs/reference/rpc.md``."""
