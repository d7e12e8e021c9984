"""The graph as a file to map: links of every thing both ways, found without a scan.

A projection of the projection: it can be lost, and is made again. `layout` is the
file, `building` makes it, `base` reads it, `beside` holds what came since, `graph`
shows both as one, `reach` walks all of it, `opening` finds or makes what fits, and
`counting` says what counts for a question.
"""
