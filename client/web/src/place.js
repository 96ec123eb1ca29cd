/**
 * Where one is: the fragment of the address, which browsers never send to a server.
 *
 * Values in, values out.
 *
 * @module
 */

/** @typedef {'host' | 'viewer' | 'participant'} Role */

/**
 * @typedef {object} Place
 * @property {string} session
 * @property {Role} as
 * @property {string} [participant] whose screen it is
 * @property {string} [token] what lets its bearer in
 */

/** @type {readonly string[]} */
const ROLES = ['host', 'viewer', 'participant'];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * @param {string} fragment with its `#`, or empty
 * @returns {Place | 'form' | 'broken'} a place; where sessions are made; or no place at all
 */
export function readPlace(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  if (![...given.keys()].length) return 'form';
  const [session, participant] = [given.get('s') ?? '', given.get('p') ?? undefined];
  const as = given.get('as') ?? 'viewer';
  const named = [session, ...(as === 'participant' ? [participant ?? ''] : [])];
  if (!ROLES.includes(as) || !named.every((id) => UUID.test(id))) return 'broken';
  const token = given.get('token') ?? undefined;
  return {
    session: session.toLowerCase(),
    as: /** @type {Role} */ (as),
    ...(participant && { participant: participant.toLowerCase() }),
    ...(token && { token }),
  };
}

/**
 * @param {Place} place
 * @returns {string} with its `#`
 */
export function fragmentOf({ session, as, participant, token }) {
  const said = new URLSearchParams({ s: session, as });
  if (participant) said.set('p', participant);
  if (token) said.set('token', token);
  return `#${said}`;
}
