// %% [markdown]
// # Points

// %%
case class Point(x: Double, y: Double)
val quote = '"'
val text = """
  a "quoted" text
"""

// %%
println(Point(1, 2))
