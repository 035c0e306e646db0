// %% [markdown]
// # Prices
// Don't round early.

// %%
const prices = { apple: 1.2, "pear": 0.9 };
const total = Object.values(prices).reduce((sum, price) => sum + price, 0);

// %% Text
/* it's a comment */
console.log(`total: ${total}`);
