"""Hypothesis profiles: how hard each property is tried.

`default` explores anew on each run; `ci` tries the same examples each time, so that a red build is the change's fault;
`sim` is a campaign of SIM_EXAMPLES examples for each property (`make sim`). None has a deadline: no test asserts time.
A test that sets `max_examples` itself takes no part in campaigns: scale `settings().max_examples` instead.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)

SIM_EXAMPLES = os.environ.get("SIM_EXAMPLES")
if SIM_EXAMPLES is not None:
    settings.register_profile(
        "sim",
        deadline=None,
        max_examples=int(SIM_EXAMPLES),
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],  # a campaign is meant to be slow
    )

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default" if SIM_EXAMPLES is None else "sim"))
