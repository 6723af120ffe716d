"""Fresh environments, each with one install that users can choose."""
