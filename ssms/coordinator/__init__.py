"""The coordinator of a cluster: who leads which store, and every change of that as resilient workflows (SSMS §3.3)."""

from ssms.coordinator.coordinator import Coordinator
from ssms.coordinator.forbidden import Forbidden
from ssms.coordinator.machines import Machine, MachineFailed, Machines
from ssms.coordinator.settings import Settings
from ssms.coordinator.surroundings import Surroundings

__all__ = ["Coordinator", "Forbidden", "Machine", "MachineFailed", "Machines", "Settings", "Surroundings"]
