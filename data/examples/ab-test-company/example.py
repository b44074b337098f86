"""An experiment on companies: all people of a company get the same, and Weir counts companies, not people."""

import os

from statsig_python_core import Statsig, StatsigOptions, StatsigUser

WEIR = os.environ.get("WEIR_URL", "http://127.0.0.1:8750")

statsig = Statsig(
    os.environ["SERVER_KEY"],
    StatsigOptions(specs_url=f"{WEIR}/v2/download_config_specs", log_event_url=f"{WEIR}/v1/log_event"),
)
statsig.initialize().wait()

companies = {True: set(), False: set()}
for number in range(900):
    company = f"company-{number // 3}"
    user = StatsigUser(user_id=f"user-{number}", custom_ids={"companyID": company})
    shared = statsig.get_experiment(user, "team_inbox").get_bool("shared_inbox", False)
    companies[shared].add(company)
    # The people of this example: with a shared inbox they write more reports.
    for _ in range(number * 7 % (6 if shared else 5)):
        statsig.log_event(user, "report_created")

both = companies[True] & companies[False]
print(f"{len(companies[True])} companies share an inbox, {len(companies[False])} do not, {len(both)} do both")
statsig.shutdown().wait()
