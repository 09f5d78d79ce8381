"""The testing kit: apps in memory and in virtual time, crashes at every commit boundary, faults from a seed."""
