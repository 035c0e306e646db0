"""A module that Spyder divides."""

import math

#%% Area
def area(radius):
    return math.pi * radius**2  # %% no cell

#%%
for radius in range(3):
    print(area(radius))

# In[4]:

print("done")

# <codecell>

#%%% Deeper
x = 1
