"""Editor sync: files with ``# %%`` cells, and the live notebooks that they belong to."""
