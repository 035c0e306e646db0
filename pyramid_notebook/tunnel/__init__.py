"""The notebooks of a site at an address of this machine, for Jupyter's own programs; it runs on a user's machine."""
