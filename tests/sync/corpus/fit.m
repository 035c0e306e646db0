% %% [markdown]
% # A fit

% %%
a = [1 2; 3 4]';
b = 'it''s';

% %% Result
disp(a \ [1; 2])
