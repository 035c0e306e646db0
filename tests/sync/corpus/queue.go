// %% [markdown]
// # Queues

// %%
import "fmt"

//gonb:%%
fmt.Println("it's", '"')

// %%
// !ls -l
