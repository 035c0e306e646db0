"""The command ``pyramid-notebook call``: calls notebooks from a user's own machine, with the standard library only."""
