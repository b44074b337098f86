// Shows what 100 users get: with one client, which is given one user after the other.

const options = new URLSearchParams(location.search);
const weir = options.get("url") ?? "http://127.0.0.1:8750";

async function main() {
  const client = new Statsig.StatsigClient(options.get("key"), { userID: "user-0" }, { networkConfig: { api: `${weir}/v1` } });
  await client.initializeAsync();
  let held = 0;
  for (let number = 0; number < 100; number += 1) {
    const userID = `user-${number}`;
    await client.updateUserAsync({ userID });
    const fast = client.checkGate("fast_search");
    const order = client.getExperiment("result_order").get("order", "as before");
    if (!fast && order === "as before") held += 1;
    if (order !== "as before") client.logEvent("result_clicked");
    const row = document.getElementById("users").insertRow();
    for (const text of [userID, fast, order]) row.insertCell().textContent = text;
  }
  await client.flush();
  document.getElementById("summary").textContent = `${held} of 100 users are held out: they get what there was before`;
}

main().catch((error) => {
  document.getElementById("summary").textContent = String(error);
});
