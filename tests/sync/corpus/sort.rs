// %% [markdown]
// # Sorting

// %%
fn sorted<'a>(words: &'a mut Vec<&'a str>) -> &'a Vec<&'a str> {
    words.sort_by_key(|word| word.len());
    words
}

// %%
// :dep rand = "0.8"
let quote = '"';
println!("{:?} {}", sorted(&mut vec!["pear", "fig"]), quote);
