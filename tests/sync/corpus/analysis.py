#!/usr/bin/env python3
# -*- coding: utf-8 -*-
# ---
# title: Rainfall
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Rainfall
#
# Millimetres a month, `NaN` where nobody looked.
#
# ```mermaid
# graph TD
# %% a comment of mermaid
# gauge --> file
# ```

# %% Load tags=["parameters"]
# %matplotlib inline
# %load_ext autoreload
from statistics import mean

path = "rain.csv"

# %% [markdown] slideshow={"slide_type": "slide"}
"""
Text in *quotes*, with “other” quotes.

# %% no cell
"""

# %%
TABLE = """month,rain
# %% no cell either
1,80
"""


def rows(text):
    '''Yield month and rain.'''
    for line in text.splitlines()[1:]:
        if not line.startswith("#"):
            month, rain = line.split(",")
            yield int(month), float(rain)


# %% language="bash"
# head -n 2 rain.csv
# echo 'done'

# %% Mean
# # of all rows
print(mean(rain for _, rain in rows(TABLE)), 'mm', "it's")
# files = !ls *.csv

# %% [raw]
# .. raw:: html
#
#    <b>end</b>
