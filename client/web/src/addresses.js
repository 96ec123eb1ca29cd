/**
 * Where the API is, and its sockets.
 *
 * Values in, values out. Whoever serves the page tells both; the page's own
 * address may say otherwise (`?api=https://...&ws=wss://...`), as it must where
 * the page comes from a static host.
 *
 * @module
 */

/** @typedef {{api: string, websocket: string}} Addresses the API's ends with a slash */

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * @param {string} page the page's own address
 * @param {{api: string, websocket: string}} told by whoever serves the page
 * @returns {Addresses}
 */
export function addressesOf(page, told) {
  const here = new URL(page);
  const api = here.searchParams.get('api') || told.api || '.';
  const websocket = here.searchParams.get('ws') || told.websocket;
  return {
    api: new URL(api.endsWith('/') ? api : `${api}/`, here).href,
    websocket: websocket && reachable(new URL(websocket), here).href,
  };
}

/** @param {string} hostname */
export const isLoopback = (hostname) => LOOPBACK.includes(hostname);

/**
 * A phone that has opened the page of a laptop finds the laptop's sockets where the page is.
 *
 * @param {URL} websocket
 * @param {URL} page
 */
function reachable(websocket, page) {
  if (isLoopback(websocket.hostname) && page.hostname) websocket.hostname = page.hostname;
  return websocket;
}
