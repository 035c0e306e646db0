#!/bin/bash
# %%
set -eu
name='it is'
echo "backing up $name" # to disk

# %%
cat > note.txt <<END
It's done.
END
echo ${#name}
