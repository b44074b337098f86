// What a page with Statsig's SDK runs, bundled with it. The suite calls the functions on `window` and awaits them.

import { StatsigClient } from "@statsig/js-client";

/** Starts the SDK for a user, and fails where it got nothing from the network. */
async function opened({ address, key, options }, user) {
  const { networkConfig, ...rest } = options;
  const client = new StatsigClient(key, user, { ...rest, networkConfig: { api: `${address}/v1`, ...networkConfig } });
  const { success, error } = await client.initializeAsync();
  if (!success || error) throw new Error(`the SDK did not start: ${error}`);
  return client;
}

/** Everything that the SDK says to its user; each question is an exposure, unless `quietly`. */
function answers(client, { gates, configs, experiments, layers }, quietly) {
  const all = (names, answer) => Object.fromEntries(names.map((name) => [name, answer(name)]));
  const how = { disableExposureLog: quietly };
  const { user, stableID } = client.getContext();
  return {
    user,
    stableID,
    gates: all(gates, (name) => {
      const { value, ruleID, details } = client.getFeatureGate(name, how);
      return { value, ruleID, checked: client.checkGate(name, how), reason: details.reason };
    }),
    configs: all(configs, (name) => {
      const { value, ruleID, details } = client.getDynamicConfig(name, how);
      return { value, ruleID, reason: details.reason };
    }),
    experiments: all(experiments, (name) => {
      const { value, ruleID, groupName, details } = client.getExperiment(name, how);
      return { value, ruleID, groupName, reason: details.reason };
    }),
    layers: all(Object.keys(layers), (name) => {
      const layer = client.getLayer(name, how);
      const parameters = layers[name].map((parameter) => [parameter, layer.get(parameter, null)]);
      const { ruleID, groupName, details } = layer;
      return { value: Object.fromEntries(parameters), ruleID, groupName, reason: details.reason };
    }),
  };
}

/** Answers to each of the users, each with an SDK of his own; no exposures. */
window.answersTo = async (users, names, setup) => {
  const found = [];
  for (const user of users) {
    const client = await opened(setup, user);
    found.push(answers(client, names, true));
    await client.shutdown();
  }
  return found;
};

/** Starts the SDK that the functions below use. */
window.start = async (user, setup) => {
  window.client = await opened(setup, user);
  window.flushed = 0;
  window.client.on("logs_flushed", ({ events }) => (window.flushed += events.length));
};

/** Another user signs in, is asked everything, and does what `events` say: each the arguments of `logEvent`. */
window.become = async (user, names, events) => {
  const { success, error } = await window.client.updateUserAsync(user);
  if (!success || error) throw new Error(`the SDK did not take the user: ${error}`);
  const said = answers(window.client, names, false);
  for (const event of events) window.client.logEvent(...event);
  return said;
};

/** Sends what is left; resolves with how many events the SDK has delivered. */
window.finish = async () => {
  await window.client.flush();
  return window.flushed;
};

/** Keeps what the SDK sends by beacon over the end of the page, for no debugger sees it. */
window.keepBeacons = () => {
  const send = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (url, body) => {
    localStorage.setItem("suite.beacons", JSON.stringify([...window.beacons(), body]));
    return send(url, body);
  };
};
window.beacons = () => JSON.parse(localStorage.getItem("suite.beacons") ?? "[]");

/** What a page may see of `path`: the status, or that the browser keeps it from the page. */
window.reach = async (url, request) => {
  try {
    const reply = await fetch(url, request);
    return [reply.status, await reply.text()];
  } catch {
    return ["kept from the page", ""];
  }
};
