"""From the daemon's options to Jupyter's configuration."""

from __future__ import annotations

import os
from pathlib import Path

from traitlets.config import Config

from ..context import NotebookContext
from ..layout import UserFolder
from ..record import ServerOptions, ServerRecord
from .collaboration import missing_names
from .contents import AtomicFileManager
from .identity import DoorIdentityProvider
from .kernel_manager import TidyKernelManager, WatchingKernelManager
from .websocket import PromptWebsocketConnection

LABEXTENSIONS = Path(__file__).with_name("labextension")


def environment(folder: UserFolder, scratch: str) -> dict[str, str]:
    """Return the environment that keeps Jupyter and IPython inside the user's folder.

    Args:
        folder: the user's folder.
        scratch: short folder for sockets and connection files.
    """
    return {
        "JUPYTER_CONFIG_DIR": str(folder.runtime / "config"),
        "JUPYTER_DATA_DIR": str(folder.runtime / "data"),
        "JUPYTER_RUNTIME_DIR": scratch,
        "IPYTHONDIR": str(folder.runtime / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }


def server_extensions(ui: str) -> dict[str, bool]:
    """Return which Jupyter server extensions are on; those that no page of ours uses cost start-up time."""
    return {
        "pyramid_notebook.server.extension": True,
        "notebook": True,
        "jupyterlab": ui == "lab",
        "jupyter_server_ydoc": True,
        "jupyter_server_fileid": True,
        "jupyter_server_terminals": True,
        "jupyter_lsp": False,
        "jupyterlab_jupytext": False,  # where it is installed, it would replace our contents manager
        "notebook_shim": False,
    }


def server_config(options: ServerOptions, folder: UserFolder, record: ServerRecord) -> Config:
    """Return the configuration of a user server.

    Args:
        options: what the manager wrote for the daemon.
        folder: the user's folder.
        record: where to listen, and this launch's secret.
    """
    context = NotebookContext.from_mapping(options.context)
    config = Config()
    server = config.ServerApp
    if record.socket:
        server.sock, server.sock_mode = record.socket, "0660" if record.socket_group else "0600"
    else:
        server.ip, server.port, server.port_retries = "127.0.0.1", record.port, 0
    server.base_url = options.base_url
    server.default_url = "/lab" if options.ui == "lab" else "/tree"
    server.root_dir = str(folder.work)
    server.jpserver_extensions = server_extensions(options.ui)
    server.contents_manager_class = AtomicFileManager
    server.identity_provider_class = DoorIdentityProvider
    server.kernel_manager_class = WatchingKernelManager
    server.kernel_websocket_connection_class = PromptWebsocketConnection
    server.allow_unauthenticated_access = False
    server.allow_remote_access = True  # the door passes the outer Host on
    server.allow_origin = context.allow_origin
    server.websocket_url = context.websocket_url
    server.websocket_ping_interval = server.websocket_ping_timeout = 30  # seconds; idle proxies hang up later
    server.allow_root = os.geteuid() == 0
    server.open_browser = False
    server.quit_button = False
    server.extra_template_paths = list(context.extra_template_paths)
    server.jinja_environment_options = context.jinja_environment_options
    config.DoorIdentityProvider.secret = record.secret
    config.DoorIdentityProvider.username = options.user
    config.IdentityProvider.token = ""
    config.MultiKernelManager.default_kernel_name = context.kernel_name
    config.AsyncMappingKernelManager.kernel_manager_class = f"{TidyKernelManager.__module__}.TidyKernelManager"
    config.KernelManager.transport = "ipc"  # a kernel's loopback ports would be open to every UNIX user
    _keep_state_out_of_work(config, folder)
    for application in (config.JupyterNotebookApp, config.LabApp):
        application.extra_labextensions_path = [str(LABEXTENSIONS)]
        application.expose_app_in_browser = True
        application.custom_css = False  # a request that every page would wait for
    return config


def _keep_state_out_of_work(config: Config, folder: UserFolder) -> None:
    config.YDocExtension.ystore_class = "pyramid_notebook.server.history.CompleteHistory"
    config.SQLiteYStore.db_path = str(folder.runtime / "documents.db")
    if not missing_names():
        config.YDocExtension.document_save_delay = None  # `saving.py` saves
    config.YDocExtension.session_store_path = str(folder.runtime / "collaboration.json")
    config.BaseFileIdManager.db_path = str(folder.runtime / "file_id.db")
    config.ArbitraryFileIdManager.db_path = str(folder.runtime / "file_id.db")
    config.LocalFileIdManager.db_path = str(folder.runtime / "file_id.db")
