"""The tunnel: a site at an address of this machine."""
