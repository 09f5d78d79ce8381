"""A cluster on Ray: the one folder that speaks to it."""
