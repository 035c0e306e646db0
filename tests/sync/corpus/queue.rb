# frozen_string_literal: true

# %%
queue = %w[a b]
queue.each { |word| puts "it's #{word}" }

# %% Text
text = <<~END
  # %%
  done
END
puts text
