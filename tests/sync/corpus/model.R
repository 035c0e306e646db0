# %% [markdown]
# # A linear model
#
# It's `lm`, don't worry.

# %%
fit <- lm(dist ~ speed, data = cars)
label <- "speed
and distance"
summary(fit)  # isn't it?

# %% Plot tags=["figure"]
plot(cars, main = 'It"s')
abline(fit)
