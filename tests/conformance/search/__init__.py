"""The search core over each store of the index, beside exact search."""
