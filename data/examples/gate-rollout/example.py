"""A gate is asked for each user; who passes, and what users do afterwards, is sent to Weir."""

import os

from statsig_python_core import Statsig, StatsigOptions, StatsigUser

WEIR = os.environ.get("WEIR_URL", "http://127.0.0.1:8750")

statsig = Statsig(
    os.environ["SERVER_KEY"],
    StatsigOptions(specs_url=f"{WEIR}/v2/download_config_specs", log_event_url=f"{WEIR}/v1/log_event"),
)
statsig.initialize().wait()

passed = 0
for number in range(1000):
    user = StatsigUser(user_id=f"user-{number}", email=f"{number}@mail.example")
    new = statsig.check_gate(user, "new_checkout")
    passed += new
    # The visitors of this example: the new checkout leads more of them to an order.
    if number % 10 < (5 if new else 3):
        statsig.log_event(user, "order_completed", 19.99)

staff = StatsigUser(user_id="anna", email="anna@shop.example")
print(f"the new checkout is on for {passed} of 1000 users, and for staff: {statsig.check_gate(staff, 'new_checkout')}")
statsig.shutdown().wait()
