// The code asks the layer for parameters and does not know the experiments. Each user takes part in one of them or none.

import Statsig from "statsig-node";

const weir = process.env.WEIR_URL ?? "http://127.0.0.1:8750";

await Statsig.initialize(process.env.SERVER_KEY, { api: `${weir}/v1` });

const counts = { banner_text: 0, banner_height: 0, both: 0, none: 0 };
for (let number = 0; number < 900; number += 1) {
  const user = { userID: `user-${number}` };
  const layer = Statsig.getLayerSync(user, "home_page");
  // What no experiment of the user sets is what the code gives here.
  const text = layer.get("text", "");
  const height = layer.get("height", 0);
  if (text && height) counts.both += 1;
  else if (text) counts.banner_text += 1;
  else if (height) counts.banner_height += 1;
  else counts.none += 1;
  // The visitors of this example: a new text or a high banner is clicked by more of them.
  if (number % 10 < (text === "Ships free today" || height === 160 ? 5 : 3)) Statsig.logEvent(user, "banner_clicked");
  if (number % 50 === 49) await Statsig.flush();
}

console.log(`banner_text: ${counts.banner_text}, banner_height: ${counts.banner_height}, both: ${counts.both}, none: ${counts.none}`);
await Statsig.shutdownAsync();
