"""Tests of the data path: real upstreams, a real waitress, real sockets."""
