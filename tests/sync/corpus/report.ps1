# %% [markdown]
# # Processes

# %%
$limit = 10 # it's enough
Get-Process | Select-Object -First $limit

# %%
Write-Output "done: $($limit)"
