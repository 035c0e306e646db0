-- %% [markdown]
-- # Trees

-- %%
data Tree a = Leaf | Node (Tree a) a (Tree a)

depth' :: Tree a -> Int
depth' Leaf = 0
depth' (Node l _ r) = 1 + max (depth' l) (depth' r)

-- %%
print (depth' (Node Leaf 'x' Leaf))
