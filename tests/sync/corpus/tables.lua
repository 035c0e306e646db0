-- %% [markdown]
-- # Tables

-- %%
local points = { { 1, 2 }, { 3, 4 } }

-- %%
for _, point in ipairs(points) do print("it's", point[1]) end
