# ---
# jupyter:
#   kernelspec:
#     display_name: Julia 1.10
#     language: julia
#     name: julia-1.10
# ---

# %% [markdown]
# A random walk

# %%
"""
    walk(n)

Return `n` steps.
"""
function walk(n)
    cumsum(rand((-1, 1), n))  # A' * B
end

# %%
println("last: $(walk(10)[end])")
