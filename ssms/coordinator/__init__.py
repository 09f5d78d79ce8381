"""The coordinator of a cluster: who leads which store, and every change of that, as resilient workflows (SSMS §3.3)."""
