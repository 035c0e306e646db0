"""Notebooks on a host of their own: how a sign-in is handed over to it, and what it knows of its visitors."""
