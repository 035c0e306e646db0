"""IPython over the web: a terminal at a kernel of a user's own server, signed in to the site like any program.

It needs ``pip install "pyramid_notebook[console]"``; what that brings is loaded when it is first used.
"""
