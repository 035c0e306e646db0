"""Jupyter's own programs at a real site; the packages are the real ones, see ``requirements.txt``."""
