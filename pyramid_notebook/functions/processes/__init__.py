"""Calls in processes that are forked from one that has everything loaded.

``engine`` is the user server's side of it, ``zygote`` the process that is forked, ``call`` what runs in a fork.
"""
