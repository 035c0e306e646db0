import pytest
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel

from pyramid_notebook.errors import WebSocketUnsupported
from pyramid_notebook.proxy import waitress as adaptor


def test_the_installed_waitress_passes_the_start_up_check(caplog):
    adaptor.check()
    assert caplog.text == ""


#: In a process of its own: in that of the tests, what others have left in threads comes and goes.
CHECK = """
import psutil
from pyramid_notebook.proxy import waitress
waitress.check()
before = psutil.Process().num_fds()
waitress.check()
print(psutil.Process().num_fds() - before)
"""


def test_the_check_leaves_no_descriptor_behind(run_python):
    done = run_python(CHECK)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_waitress_without_its_socket_fails_the_check(monkeypatch):
    monkeypatch.setattr(HTTPChannel, "check_client_disconnected", staticmethod(lambda: True))
    with pytest.raises(WebSocketUnsupported, match="installed waitress"):
        adaptor.check()


def test_a_waitress_that_reads_ahead_is_refused(monkeypatch):
    monkeypatch.setattr(Adjustments, "channel_request_lookahead", 1)
    with pytest.raises(WebSocketUnsupported, match="installed waitress"):
        adaptor.check()


def test_a_waitress_that_cannot_hold_many_connections_is_told_of_once(monkeypatch, caplog):
    adaptor._warn_of_select.cache_clear()
    monkeypatch.setattr(Adjustments, "__init__", plain_adjustments(Adjustments.__init__))
    adaptor.check()
    adaptor.check()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "Set asyncore_use_poll = true for waitress"
    ]


def plain_adjustments(make):
    """Return a maker of waitress's own defaults, whatever it is asked for."""
    return lambda self, **_settings: make(self, port=1)
