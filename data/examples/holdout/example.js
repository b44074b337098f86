// Shows what 40 users get: one client, which is given one user after the other.

const options = new URLSearchParams(location.search);
const weir = options.get("url") ?? "http://127.0.0.1:8750";

async function main() {
  const client = new Statsig.StatsigClient(options.get("key"), {}, { networkConfig: { api: `${weir}/v1` } });
  let held = 0;
  for (let number = 0; number < 40; number += 1) {
    const userID = `user-${number}`;
    const update = await client.updateUserAsync({ userID });
    if (!update.success) throw update.error ?? new Error(`Weir did not say what ${userID} gets`);
    const fast = client.checkGate("fast_search");
    const order = client.getExperiment("result_order").get("order", "as before");
    if (!fast && order === "as before") held += 1;
    // The users of this example: half of those who see results by rating open one, and a third of the others.
    if (order === "by rating" ? number % 2 === 0 : number % 3 === 0) client.logEvent("result_opened");
    const row = document.getElementById("users").insertRow();
    for (const text of [userID, fast ? "on" : "off", order]) row.insertCell().textContent = text;
  }
  await client.flush();
  document.getElementById("summary").textContent = `${held} of 40 users are held out: they get what there was before`;
}

main().catch((error) => {
  document.getElementById("summary").textContent = String(error);
});
