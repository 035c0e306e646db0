"""The self-test names what is wrong, behind a real nginx and in a real browser."""
