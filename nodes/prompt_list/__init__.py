"""The node that reads lists: a text or a file, row by row, with its pictures."""
