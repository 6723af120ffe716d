"""The index service: stores vectors in Milvus and finds the nearest ones."""
