"""What the processes of a cluster are called in Ray."""

NAMESPACE = "ssms"
"""The Ray namespace that holds the named actors of a cluster. One Ray cluster runs one cluster of ours."""

COORDINATOR = "coordinator"
"""The name of the actor that keeps the catalog. All other names are those of copies."""

NODE_LABEL = "ssms-node"
"""A Ray label that names a machine and its disk, over restarts of Ray: `ray start --labels ssms-node=rack1`."""
