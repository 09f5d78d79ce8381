"""The Ray room: processes of a cluster as Ray actors, and Ray clusters on one machine. Only it imports ray."""
