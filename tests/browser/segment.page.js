// What the page under test runs, bundled with the SDK. The suite calls `window.suite` and awaits it.

import { AnalyticsBrowser } from "@segment/analytics-next";

/** Loads the SDK against `address`, makes `calls` ([method, ...arguments]) and resolves with the messageIds it delivered. */
window.suite = async ({ address, writeKey, deliveryStrategy, calls }) => {
  const { host } = new URL(address);
  const [analytics] = await AnalyticsBrowser.load(
    { writeKey, cdnURL: address },
    { integrations: { "Segment.io": { apiHost: `${host}/v1`, protocol: "http", deliveryStrategy } } },
  );
  const contexts = await Promise.all(calls.map(([method, ...rest]) => analytics[method](...rest.map(revived))));
  return contexts.filter((context) => context?.event?.messageId).map((context) => context.event.messageId);
};

/** The last argument's `timestamp` travels to the page as text; the SDK wants a Date. */
function revived(argument) {
  return typeof argument?.timestamp === "string" ? { ...argument, timestamp: new Date(argument.timestamp) } : argument;
}
