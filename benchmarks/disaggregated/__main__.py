"""`python -m benchmarks.disaggregated`."""

from benchmarks.disaggregated.measuring import main

main()
