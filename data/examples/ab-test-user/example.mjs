// Statsig's SDK says which colour a user gets and tells Weir that it was shown; Segment's SDK tells Weir what users do.
// Weir joins the two by the user's ID.

import { Analytics } from "@segment/analytics-node";
import Statsig from "statsig-node";

const weir = process.env.WEIR_URL ?? "http://127.0.0.1:8750";
const key = process.env.SERVER_KEY;

await Statsig.initialize(key, { api: `${weir}/v1` });
const analytics = new Analytics({ writeKey: key, host: weir });

const shown = { blue: 0, green: 0 };
for (let number = 0; number < 600; number += 1) {
  const userID = `user-${number}`;
  const color = Statsig.getExperimentSync({ userID }, "button_color").get("color", "blue");
  shown[color] += 1;
  // The visitors of this example: the green button leads more of them to an order.
  if (number % 10 < (color === "green" ? 5 : 3)) {
    analytics.track({ userId: userID, event: "Order Completed", properties: { revenue: 19.99 } });
  }
  if (number % 50 === 49) await Statsig.flush();
}

console.log(`blue was shown to ${shown.blue} users, green to ${shown.green}`);
await analytics.closeAndFlush();
await Statsig.shutdownAsync();
