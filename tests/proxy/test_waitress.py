import pytest
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel

from pyramid_notebook.errors import WebSocketUnsupported
from pyramid_notebook.proxy import waitress as adaptor


def test_the_installed_waitress_passes_the_start_up_check(caplog):
    adaptor.check()
    assert caplog.text == ""


def test_the_check_leaves_no_descriptor_behind():
    import psutil

    adaptor.check()
    before = psutil.Process().num_fds()
    adaptor.check()
    assert psutil.Process().num_fds() == before


def test_a_waitress_without_its_socket_fails_the_check(monkeypatch):
    monkeypatch.setattr(HTTPChannel, "check_client_disconnected", staticmethod(lambda: True))
    with pytest.raises(WebSocketUnsupported, match="installed waitress"):
        adaptor.check()


def test_a_waitress_that_reads_ahead_is_refused(monkeypatch):
    monkeypatch.setattr(Adjustments, "channel_request_lookahead", 1)
    with pytest.raises(WebSocketUnsupported, match="installed waitress"):
        adaptor.check()
