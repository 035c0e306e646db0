"""Calls in kernels: of every language, and where there is no zygote."""
