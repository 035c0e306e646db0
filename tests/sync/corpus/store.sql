-- Tables of a shop

-- %% [markdown]
-- # Orders

-- %%
create table orders (id integer primary key, note text default 'it''s
-- %%
fine');

-- %% Count
select count(*) as "how many" from orders; -- all
