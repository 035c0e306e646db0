"""The page on which a site tests whether everything gets through to its notebooks, hop by hop."""
