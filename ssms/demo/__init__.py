"""The demo: Retwis (LambdaObjects, Listing 1) on the ego-Facebook graph, in a process that is killed half-way."""
