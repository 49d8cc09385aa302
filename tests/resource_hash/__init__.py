"""The resource hash, written a second time from docs/spec/resource-hash.md alone.

It shares no line with the operator. Where the two disagree, one of them or the page is wrong. Each file is one section of
the page; `vectors` and `fuzz` compare the two.
"""
