/**
 * The route: which screen of which session. It is the fragment of the URL, which browsers never
 * send to a server. Pure.
 *
 * @module
 */

/** @typedef {'host' | 'viewer' | 'participant'} Role */

/**
 * @typedef {object} Route
 * @property {string} session
 * @property {Role} as
 * @property {string} [participant]
 * @property {string} [token]
 */

/** @type {readonly string[]} */
const ROLES = ['host', 'viewer', 'participant'];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * @param {string} fragment with its `#`, or empty
 * @returns {Route | 'create' | 'invalid'}
 */
export function parseRoute(fragment) {
  const params = new URLSearchParams(fragment.replace(/^#/, ''));
  if (![...params.keys()].length) return 'create';
  const [session, participant] = [params.get('s') ?? '', params.get('p') ?? undefined];
  const as = params.get('as') ?? 'viewer';
  const ids = [session, ...(as === 'participant' ? [participant ?? ''] : [])];
  if (!ROLES.includes(as) || !ids.every((id) => UUID.test(id))) return 'invalid';
  const token = params.get('token') ?? undefined;
  return {
    session: session.toLowerCase(),
    as: /** @type {Role} */ (as),
    ...(participant && { participant: participant.toLowerCase() }),
    ...(token && { token }),
  };
}

/**
 * @param {Route} route
 * @returns {string} with its `#`
 */
export function formatRoute({ session, as, participant, token }) {
  const params = new URLSearchParams({ s: session, as });
  if (participant) params.set('p', participant);
  if (token) params.set('token', token);
  return `#${params}`;
}
