// %% [markdown]
// # Lists

// %%
#include <iostream>
#include <vector>
const long million = 1'000'000;

// %% Print
for (char letter : std::vector<char>{'a', '"'}) {
    std::cout << letter << "\n";  // it's one a line
}
